package control

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"hash"
)

// DigestType is the first byte of the Message Digest AVP (RFC 3931 section 5.4.1). Its numbers are 0 and 1: the sentence
// there that counts from 1 is a slip.
type DigestType uint8

// Digest types.
const (
	DigestMD5  DigestType = 0 // HMAC-MD5, 16 bytes
	DigestSHA1 DigestType = 1 // HMAC-SHA-1, 20 bytes
)

// size returns the bytes of a digest, 0 for a type nobody knows.
func (d DigestType) size() int {
	switch d {
	case DigestMD5:
		return md5.Size
	case DigestSHA1:
		return sha1.Size
	}
	return 0
}

func (d DigestType) hash() func() hash.Hash {
	if d == DigestSHA1 {
		return sha1.New
	}
	return md5.New
}

// Keys are what a shared secret becomes (RFC 3931 sections 4.3, 5.3). They are as secret as that.
type Keys struct {
	auth [16]byte
	hide [16]byte
}

// DeriveKeys derives both keys of a shared secret, by HMAC-MD5 whatever the digest type is. The empty secret gives the
// keys of the integrity check that needs no secret (RFC 3931 section 4.3).
func DeriveKeys(secret []byte) Keys {
	derive := func(n byte) (k [16]byte) {
		h := hmac.New(md5.New, secret)
		_, _ = h.Write([]byte{n})
		h.Sum(k[:0])
		return k
	}
	return Keys{auth: derive(2), hide: derive(1)}
}

const (
	// maxDigests is how many Message Digest AVPs a message may carry: one for each of two secrets while one replaces
	// the other (RFC 3931 section 4.3).
	maxDigests = 2
	// firstDigest is the offset of the first Message Digest AVP: right behind the Message Type AVP.
	firstDigest     = HeaderLen + AVPHeaderLen + 2
	digestValueSkew = AVPHeaderLen + 1 // from an AVP's start to its digest bytes
)

// nonces are the values of the two Nonce AVPs of a control connection, in the order in which the sender of a message
// feeds them into the digest: its own first. Both are empty in an SCCRQ and in the integrity check.
type nonces struct{ sender, receiver []byte }

// span is where the bytes of a digest lie in a message.
type span struct {
	typ      DigestType
	from, to int
}

// digestSpans finds the Message Digest AVPs of a message: the ones right behind the Message Type AVP, at most two.
// What is malformed ends the search.
func digestSpans(raw []byte, into *[maxDigests]span) []span {
	spans := into[:0]
	for at := firstDigest; len(spans) < maxDigests && at < len(raw); {
		a, n, err := ParseAVP(raw[at:])
		if err != nil || a.Vendor != 0 || a.Type != AVPMessageDigest || a.Hidden || len(a.Value) == 0 {
			break
		}
		t := DigestType(a.Value[0])
		if t.size() == 0 || len(a.Value) != 1+t.size() {
			break
		}
		spans = append(spans, span{t, at + digestValueSkew, at + n})
		at += n
	}
	return spans
}

// sum computes one digest: HMAC over the nonces and the message with the bytes of all digests taken as zero (RFC 3931
// section 5.4.1).
func sum(t DigestType, k *Keys, n nonces, raw []byte, spans []span) []byte {
	var zero [sha1.Size]byte
	h := hmac.New(t.hash(), k.auth[:])
	_, _ = h.Write(n.sender)
	_, _ = h.Write(n.receiver)
	at := 0
	for _, s := range spans {
		_, _ = h.Write(raw[at:s.from])
		_, _ = h.Write(zero[:s.to-s.from])
		at = s.to
	}
	_, _ = h.Write(raw[at:])
	return h.Sum(nil)
}

// sign fills the digests of a complete message: the i-th with the i-th of keys. It must be repeated whenever a byte of
// the message changes, so for every retransmission (its Nr is a new one).
func sign(raw []byte, keys []*Keys, n nonces) {
	var into [maxDigests]span
	spans := digestSpans(raw, &into)
	var sums [maxDigests][]byte
	for i, s := range spans {
		sums[i] = sum(s.typ, keys[i], n, raw, spans)
	}
	for i, s := range spans {
		copy(raw[s.from:s.to], sums[i])
	}
}

// verdict is what the digests of a message prove.
type verdict struct {
	present bool // there is at least one digest
	ok      bool // one of them is right under one of the keys
	key     int  // which key that was: the first digest's if that one is right
	typ     DigestType
}

// verify checks the digests of p against the keys, in constant time for each (RFC 3931 section 4.3: any digest that
// matches under any of the secrets is enough).
func verify(p Packet, keys []Keys, n nonces) verdict {
	var into [maxDigests]span
	spans := digestSpans(p.raw, &into)
	v := verdict{present: len(spans) > 0}
	for _, s := range spans {
		for i := range keys {
			if hmac.Equal(sum(s.typ, &keys[i], n, p.raw, spans), p.raw[s.from:s.to]) {
				return verdict{present: true, ok: true, key: i, typ: s.typ}
			}
		}
	}
	return v
}
