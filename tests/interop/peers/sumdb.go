package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// check opens the log's checkpoint as any Go program would, derives its root from the tiles that the
// log serves, and compares proofs made by the log with proofs made here.
func check(log, vkey string) error {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return err
	}
	body, err := fetch(log + "/checkpoint")
	if err != nil {
		return err
	}
	opened, err := note.Open(body, note.VerifierList(verifier))
	if err != nil {
		return fmt.Errorf("opening the checkpoint: %w", err)
	}
	tree, err := head(opened.Text)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tree, tiles{log})
	root, err := tlog.TreeHash(tree.N, reader)
	if err != nil {
		return fmt.Errorf("the root from tiles: %w", err)
	}
	if root != tree.Hash {
		return fmt.Errorf("tiles lead to %v, the checkpoint says %v", root, tree.Hash)
	}
	for _, old := range []int64{1, tree.N/2 + 1, tree.N - 1} {
		if err := consistency(log, tree, old, reader); err != nil {
			return fmt.Errorf("consistency from %d: %w", old, err)
		}
	}
	for _, index := range []int64{0, tree.N / 2, tree.N - 1} {
		if err := inclusion(log, tree, index, reader); err != nil {
			return fmt.Errorf("inclusion of %d: %w", index, err)
		}
	}
	fmt.Printf("%d entries checked with x/mod\n", tree.N)
	return nil
}

func head(text string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return tlog.Tree{}, fmt.Errorf("not a checkpoint: %q", text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

func consistency(log string, tree tlog.Tree, old int64, reader tlog.HashReader) error {
	expected, err := tlog.ProveTree(tree.N, old, reader)
	if err != nil {
		return err
	}
	body, err := fetch(fmt.Sprintf("%s/v1/consistency/%d/%d", log, old, tree.N))
	if err != nil {
		return err
	}
	var answer struct {
		Consistency []string
		Proof       []string
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	hashes := append(answer.Proof, answer.Consistency...)
	proof := make(tlog.TreeProof, len(hashes))
	for i, hash := range hashes {
		if proof[i], err = tlog.ParseHash(hash); err != nil {
			return err
		}
	}
	if fmt.Sprint(proof) != fmt.Sprint(expected) {
		return fmt.Errorf("the log says %v, x/mod %v", proof, expected)
	}
	before, err := tlog.TreeHash(old, reader)
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, old, before)
}

func inclusion(log string, tree tlog.Tree, index int64, reader tlog.HashReader) error {
	body, err := fetch(fmt.Sprintf("%s/v1/proofs/%d/%d", log, index, tree.N))
	if err != nil {
		return err
	}
	top, _, _ := strings.Cut(string(body), "\n\n")
	lines := strings.Split(top, "\n")
	if len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") {
		return fmt.Errorf("not a proof with its entry: %q", top)
	}
	entry, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(lines[1], "extra "))
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	expected, err := tlog.ProveRecord(tree.N, index, reader)
	if err != nil {
		return err
	}
	if fmt.Sprint(proof) != fmt.Sprint(expected) {
		return fmt.Errorf("the log says %v, x/mod %v", proof, expected)
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}

// tiles reads hash tiles of height 8 by their tlog-tiles path.
type tiles struct{ log string }

func (tiles) Height() int { return 8 }

func (t tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		// x/mod says tile/8/0/000 where tlog-tiles says tile/0/000.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		body, err := fetch(t.log + "/" + path)
		if err != nil {
			return nil, err
		}
		all = append(all, body)
	}
	return all, nil
}

func (tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func fetch(url string) ([]byte, error) {
	response, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, response.Status, body)
	}
	return body, err
}
