package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"time"

	"crypto/ed25519"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

const origin = "log.example/tessera"

// keys are made from a fixed seed: whoever reads this can sign for the log, which is a test.
func keys() (signer, verifier string, err error) {
	seed := sha256.Sum256([]byte("civiclog interop"))
	private := ed25519.NewKeyFromSeed(seed[:])
	public := append([]byte{1}, private.Public().(ed25519.PublicKey)...)
	verifier, err = note.NewEd25519VerifierKey(origin, private.Public().(ed25519.PublicKey))
	if err != nil {
		return "", "", err
	}
	id := sha256.Sum256(append([]byte(origin+"\n"), public...))
	secret := base64.StdEncoding.EncodeToString(append([]byte{1}, seed[:]...))
	signer = fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", origin, binary.BigEndian.Uint32(id[:4]), secret)
	return signer, verifier, nil
}

// publish adds entries to a Tessera log and waits until each is covered by a checkpoint that the
// witnesses of the policy cosigned. Tessera is the client of the witness here.
func publish(ctx context.Context, folder, policyFile string) error {
	secret, _, err := keys()
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return err
	}
	policy, err := os.ReadFile(policyFile)
	if err != nil {
		return err
	}
	witnesses, err := tessera.NewWitnessGroupFromPolicy(policy)
	if err != nil {
		return fmt.Errorf("reading the policy: %w", err)
	}
	driver, err := posix.New(ctx, posix.Config{Path: folder})
	if err != nil {
		return err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithCheckpointInterval(200*time.Millisecond).
		WithBatching(16, 50*time.Millisecond).
		WithWitnesses(witnesses, &tessera.WitnessOptions{FailOpen: false})
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return err
	}
	awaiter := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 50*time.Millisecond)
	for number := range 5 {
		entry := tessera.NewEntry([]byte(fmt.Sprintf("entry %d", number)))
		within, cancel := context.WithTimeout(ctx, 60*time.Second)
		_, _, err := awaiter.Await(within, appender.Add(within, entry))
		cancel()
		if err != nil {
			return fmt.Errorf("entry %d: %w", number, err)
		}
	}
	if err := shutdown(ctx); err != nil {
		return err
	}
	checkpoint, err := reader.ReadCheckpoint(ctx)
	if err != nil {
		return err
	}
	if !witnesses.Satisfied(checkpoint) {
		return fmt.Errorf("published without its witnesses:\n%s", checkpoint)
	}
	fmt.Printf("%s", checkpoint)
	return nil
}
