package snapshot

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Version is that of everything in a snapshot; only equal ones fit. Whoever changes what some Codec walks over counts it up.
const Version = 1

// magic begins every snapshot.
const magic = "culvert\x00"

const headerLen = len(magic) + 4 + 8 + sha256.Size

// Errors of Open.
var (
	ErrNoSnapshot = errors.New("not a snapshot of culvert")
	ErrVersion    = errors.New("snapshot of another version")
	ErrTruncated  = errors.New("snapshot is truncated")
	ErrChecksum   = errors.New("snapshot is damaged: wrong checksum")
)

// Seal puts body into an envelope: magic, version, length, SHA-256, body.
func Seal(body []byte) []byte {
	b := append(make([]byte, 0, headerLen+len(body)), magic...)
	b = binary.BigEndian.AppendUint32(b, Version)
	b = binary.BigEndian.AppendUint64(b, uint64(len(body)))
	sum := sha256.Sum256(body)
	return append(append(b, sum[:]...), body...)
}

// Open checks an envelope and returns the body, which is part of b. Errors: ErrNoSnapshot, ErrVersion, ErrTruncated,
// ErrChecksum.
func Open(b []byte) ([]byte, error) {
	rest, ok := bytes.CutPrefix(b, []byte(magic[:min(len(b), len(magic))]))
	switch {
	case !ok:
		return nil, ErrNoSnapshot
	case len(rest) < 4 || len(b) < len(magic):
		return nil, ErrTruncated
	}
	if v := binary.BigEndian.Uint32(rest); v != Version {
		return nil, fmt.Errorf("%w: it has %d, this culvert %d", ErrVersion, v, Version)
	}
	if len(b) < headerLen {
		return nil, ErrTruncated
	}
	body := b[headerLen:]
	switch n := binary.BigEndian.Uint64(rest[4:]); {
	case n > uint64(len(body)):
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrTruncated, len(body), n)
	case n < uint64(len(body)):
		return nil, fmt.Errorf("%w: %d bytes follow", ErrNoSnapshot, uint64(len(body))-n)
	case sha256.Sum256(body) != [sha256.Size]byte(rest[12:]):
		return nil, ErrChecksum
	}
	return body, nil
}
