package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
)

// aboutSecret is what -h says of the flag.
const aboutSecret = "`file` with 32 bytes in hex or base64, to keep from everybody; made if it does not exist. Clients of a server\n" +
	"that starts again with it have 0-RTT as before. Empty: a new secret each time"

// A secretFile is a flag: the file that a server's secret is kept in.
type secretFile string

func (f *secretFile) define(fs *flag.FlagSet) { fs.StringVar((*string)(f), "secret", "", aboutSecret) }

// load reads the secret, or makes the file. Without a file it is zero: package udp draws one.
func (f secretFile) load() (secret [32]byte, err error) {
	if f == "" {
		return secret, nil
	}
	text, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		rand.Read(secret[:])
		if err := writeNew(string(f), hex.EncodeToString(secret[:])+"\n"); err != nil {
			return secret, fmt.Errorf("-secret: %w", err)
		}
		return secret, nil
	}
	if err != nil {
		return secret, fmt.Errorf("-secret: %w", err)
	}
	text = bytes.TrimSpace(text)
	b, err := hex.DecodeString(string(text))
	if err != nil {
		b, err = base64.StdEncoding.DecodeString(string(text))
	}
	if err != nil || len(b) != len(secret) || [32]byte(b) == secret {
		return secret, fmt.Errorf("-secret: %s does not hold 32 bytes in hex or base64 that are not all zero: delete it, and a new one is made", f)
	}
	return [32]byte(b), nil
}

// writeNew writes a file that only its owner can read, and that does not exist yet.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
