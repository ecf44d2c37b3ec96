package main

import (
	"crypto/ed25519"
	"fmt"
	"net"
	"strings"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// serveAgent is the SSH agent that litewitness keeps its key in.
func serveAgent(socket string) error {
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		return err
	}
	keyring := agent.NewKeyring()
	if err := keyring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		return err
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	fmt.Printf("{\"fingerprint\":%q}\n", ssh.FingerprintSHA256(public))
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			// It ends when litewitness does.
			_ = agent.ServeAgent(keyring, connection)
		}()
	}
}

// watch does what `witnessctl add-log` and `add-key` do. The root is that of the empty tree.
func watch(database, vkey string) error {
	origin, _, found := strings.Cut(vkey, "+")
	if !found {
		return fmt.Errorf("not a verifier key: %q", vkey)
	}
	connection, err := sqlite.OpenConn(database, sqlite.OpenReadWrite)
	if err != nil {
		return err
	}
	defer connection.Close()
	const emptyRoot = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
	if err := sqlitex.Execute(connection, "INSERT INTO log (origin, tree_size, tree_hash) VALUES (?, 0, ?)",
		&sqlitex.ExecOptions{Args: []any{origin, emptyRoot}}); err != nil {
		return err
	}
	return sqlitex.Execute(connection, "INSERT INTO key (origin, key) VALUES (?, ?)",
		&sqlitex.ExecOptions{Args: []any{origin, vkey}})
}
