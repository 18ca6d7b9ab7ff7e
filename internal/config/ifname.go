package config

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
)

// maxName is the longest name of an interface: IFNAMSIZ less the final zero, netdevice(7).
const maxName = 15

// nameProblem says what is wrong with an interface name, empty when the kernel takes it (dev_valid_name in
// net/core/dev.c; % would make it a pattern, "all" and "default" are directories under /proc/sys/net).
func nameProblem(s string) string {
	switch {
	case s == "":
		return "must not be empty"
	case len(s) > maxName:
		return strconv.Quote(s) + " has " + strconv.Itoa(len(s)) + " bytes, at most 15 fit"
	case s == "." || s == ".." || s == "all" || s == "default":
		return strconv.Quote(s) + " cannot be the name of an interface"
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '/' || c == ':' || c == '%' {
			return strconv.QuoteToASCII(s) + " has a character that names of interfaces cannot have"
		}
	}
	return ""
}

// device reads the name of an interface.
func (p *parser) device(v *node, to *string) {
	var s string
	if !p.text(v, &s) {
		return
	}
	if problem := nameProblem(s); problem != "" {
		p.fail(v, "%s", problem)
		return
	}
	*to = s
}

// generateName makes the interface name of a session that has none. It depends on the two names alone, so that other
// sessions can come and go without renaming this one: "t1-s1" when that fits and can be read one way only, else the
// end of the session's name and 45 bits of a hash. The attempt counts up from 0 while the name is taken.
func generateName(tunnel, session string, attempt int) string {
	plain := tunnel + "-" + session
	if attempt == 0 && len(plain) <= maxName && isWord(tunnel) && !strings.Contains(tunnel, "-") && isWord(session) {
		return plain
	}
	const hashed = 9
	sum := sha256.Sum256([]byte(strconv.Quote(tunnel) + strconv.Quote(session) + strconv.Itoa(attempt)))
	hash := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:hashed]
	return readable(session, maxName-1-hashed) + "-" + hash
}

func isWord(s string) bool {
	for i := range len(s) {
		if !isNameByte(s[i]) {
			return false
		}
	}
	return s != "" && s[0] != '-'
}

// readable keeps the last n characters of s that are good in names.
func readable(s string, n int) string {
	var b []byte
	for i := len(s) - 1; i >= 0 && len(b) < n; i-- {
		if c := s[i]; isNameByte(c) && c != '-' {
			b = append([]byte{c}, b...)
		}
	}
	if len(b) == 0 {
		return "cv"
	}
	return string(b)
}
