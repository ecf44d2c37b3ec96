// Peers are the other side of civiclog in its interoperability tests: programs made from the Go
// implementations that logs and witnesses of the world run today. Nothing of ours is reused here.
//
//	peers agent SOCKET              an SSH agent with a fresh key, for litewitness; prints its fingerprint
//	peers watch DATABASE VKEY       makes a litewitness watch a log
//	peers check LOG VKEY            opens checkpoint and tiles with golang.org/x/mod/sumdb
//	peers vkey                      the verifier key of the log that `tessera` makes
//	peers tessera FOLDER POLICY     a Tessera log that publishes nothing without its witnesses
package main

import (
	"context"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	ctx := context.Background()
	switch {
	case len(args) == 2 && args[0] == "agent":
		return serveAgent(args[1])
	case len(args) == 3 && args[0] == "watch":
		return watch(args[1], args[2])
	case len(args) == 3 && args[0] == "check":
		return check(args[1], args[2])
	case len(args) == 1 && args[0] == "vkey":
		_, verifier, err := keys()
		if err == nil {
			fmt.Println(verifier)
		}
		return err
	case len(args) == 3 && args[0] == "tessera":
		return publish(ctx, args[1], args[2])
	}
	return fmt.Errorf("expected agent, watch, check, vkey or tessera with their arguments, got %q", args)
}
