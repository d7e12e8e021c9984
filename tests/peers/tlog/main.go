// Tlog verifies what countersign says about its log with Go's own implementation.
//
//	tlog proof VKEY-FILE PROOF-FILE ENTRY-FILE
//	tlog checkpoint VKEY-FILE CHECKPOINT-FILE
//	tlog many < cases.json
//
// Exit code 0: verified; 1: refused, and why. `many` reads a list of objects with the
// texts in base64 ("vkey", "proof", "entry", or "checkpoint") and writes a list of
// "verified" or reasons.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const proofHeader = "c2sp.org/tlog-proof@v1"

type head struct {
	origin string
	size   int64
	root   tlog.Hash
}

// verifyCheckpoint opens a signed note and reads the three lines of its text.
func verifyCheckpoint(vkey string, checkpoint []byte) (head, error) {
	verifier, err := note.NewVerifier(strings.TrimSpace(vkey))
	if err != nil {
		return head{}, err
	}
	opened, err := note.Open(checkpoint, note.VerifierList(verifier))
	if err != nil {
		return head{}, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return head{}, errors.New("a checkpoint has three lines")
	}
	if lines[0] != verifier.Name() {
		return head{}, errors.New("the checkpoint is of another origin")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return head{}, errors.New("the size is malformed")
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return head{}, err
	}
	return head{lines[0], size, root}, nil
}

// verifyProof checks that entry is in the tree whose head ends the proof.
func verifyProof(vkey string, proof, entry []byte) error {
	top, checkpoint, found := strings.Cut(string(proof), "\n\n")
	if !found {
		return errors.New("the proof holds no checkpoint")
	}
	signed, err := verifyCheckpoint(vkey, []byte(checkpoint))
	if err != nil {
		return err
	}
	lines := strings.Split(top, "\n")
	if len(lines) < 2 || lines[0] != proofHeader {
		return errors.New("this is no tlog-proof")
	}
	number, found := strings.CutPrefix(lines[1], "index ")
	index, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil || strconv.FormatInt(index, 10) != number {
		return errors.New("the index is malformed")
	}
	var path tlog.RecordProof
	for _, line := range lines[2:] {
		node, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		path = append(path, node)
	}
	return tlog.CheckRecord(path, signed.size, signed.root, index, tlog.RecordHash(entry))
}

type testCase struct {
	VKey       []byte `json:"vkey"`
	Proof      []byte `json:"proof"`
	Entry      []byte `json:"entry"`
	Checkpoint []byte `json:"checkpoint"`
}

func (c testCase) verdict() (answer string) {
	defer func() {
		if problem := recover(); problem != nil {
			answer = fmt.Sprint(problem)
		}
	}()
	var err error
	if c.Proof != nil {
		err = verifyProof(string(c.VKey), c.Proof, c.Entry)
	} else {
		_, err = verifyCheckpoint(string(c.VKey), c.Checkpoint)
	}
	if err != nil {
		return err.Error()
	}
	return "verified"
}

func many() error {
	var cases []testCase
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		return err
	}
	answers := make([]string, len(cases))
	for i, one := range cases {
		answers[i] = one.verdict()
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

func run(arguments []string) error {
	if len(arguments) == 1 && arguments[0] == "many" {
		return many()
	}
	if len(arguments) < 3 {
		return errors.New("usage: tlog proof VKEY PROOF ENTRY | tlog checkpoint VKEY FILE")
	}
	var files [][]byte
	for _, path := range arguments[1:] {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files = append(files, data)
	}
	switch {
	case arguments[0] == "proof" && len(files) == 3:
		return verifyProof(string(files[0]), files[1], files[2])
	case arguments[0] == "checkpoint" && len(files) == 2:
		_, err := verifyCheckpoint(string(files[0]), files[1])
		return err
	}
	return errors.New("unknown command")
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "refused:", err)
		os.Exit(1)
	}
	if len(os.Args) != 2 {
		fmt.Println("verified")
	}
}
