package auth

import (
	"errors"
	"strings"
)

var (
	errQuote     = errors.New("quote is not closed in this line")
	errBackslash = errors.New("nothing behind the backslash")
)

// line is the words of one line, with the number of the line in which they begin.
type line struct {
	number int
	words  []string
}

// splitter cuts a text into lines of words as pppd's options files have them (pppd(8), OPTIONS FILES).
type splitter struct {
	text string
	at   int
	now  int // number of the line at `at`
}

// next gives the next line that has words; its words are nil at the end of the text.
func (s *splitter) next() (line, error) {
	for s.at < len(s.text) {
		l := line{number: s.now}
		for {
			if !s.gap() {
				break
			}
			w, err := s.word()
			if err != nil {
				return l, err
			}
			l.words = append(l.words, w)
		}
		if l.words != nil {
			return l, nil
		}
	}
	return line{number: s.now}, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' }

// gap passes over spaces, a comment and continued lines; more says that a word follows in this line.
func (s *splitter) gap() (more bool) {
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '\n':
			s.at++
			s.now++
			return false
		case isSpace(c):
		case c == '#':
			for s.at+1 < len(s.text) && s.text[s.at+1] != '\n' {
				s.at++
			}
		case c == '\\' && s.at+1 < len(s.text) && s.text[s.at+1] == '\n':
			s.at++
			s.now++
		default:
			return true
		}
	}
	return false
}

// word reads one word, which may be quoted in parts.
func (s *splitter) word() (string, error) {
	var w []byte
	quote := byte(0)
	for ; s.at < len(s.text); s.at++ {
		switch c := s.text[s.at]; {
		case c == '\\':
			b, skip, err := s.escape()
			if err != nil {
				return "", err
			}
			w = append(w, b...)
			s.at += skip
		case quote != 0 && c == '\n':
			return "", errQuote
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			w = append(w, c)
		case c == '"' || c == '\'':
			quote = c
		case isSpace(c) || c == '\n' || c == '#':
			return string(w), nil
		default:
			w = append(w, c)
		}
	}
	if quote != 0 {
		return "", errQuote
	}
	return string(w), nil
}

// escape reads what follows a backslash: a special character, up to three octal or, behind x, two hexadecimal
// digits, or the character itself; nothing for an end of line. skip is how many bytes it has.
func (s *splitter) escape() (b []byte, skip int, err error) {
	rest := s.text[s.at+1:]
	if rest == "" {
		return nil, 0, errBackslash
	}
	if i := strings.IndexByte("abfnrst", rest[0]); i >= 0 {
		return []byte{"\a\b\f\n\r \t"[i]}, 1, nil
	}
	switch c := rest[0]; {
	case c == '\n':
		s.now++
		return nil, 1, nil
	case c >= '0' && c <= '7':
		v, n := digits(rest, 3, 8)
		return []byte{v}, n, nil
	case c == 'x':
		if v, n := digits(rest[1:], 2, 16); n > 0 {
			return []byte{v}, 1 + n, nil
		}
	}
	return []byte{rest[0]}, 1, nil
}

// digits reads up to most digits of a number; n is how many there were.
func digits(s string, most, base int) (v byte, n int) {
	for n < min(most, len(s)) {
		d := strings.IndexByte("0123456789abcdef", s[n]|0x20)
		if s[n] < 'A' {
			d = strings.IndexByte("0123456789", s[n])
		}
		if d < 0 || d >= base {
			break
		}
		v = v*byte(base) + byte(d)
		n++
	}
	return v, n
}
