package migrate

import "strings"

// command is one command of a script.
type command struct {
	line  int // of its first word
	words []string
	shell byte // first character that only a shell can expand; 0: none
}

// separators end commands, expansions are what we do not do.
const (
	separators = "\n;&|"
	expansions = "$`*?<>(){}[]~!"
)

// scanner cuts a script into commands.
type scanner struct {
	text    string
	pos     int
	line    int
	word    []byte
	inWord  bool
	current command
	all     []command
}

// split gives the commands of a script: words in quotes or not, comments, lines that a backslash continues.
func split(text string) []command {
	s := &scanner{text: text, line: 1}
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		switch {
		case c == '\\':
			s.escaped()
		case c == '\'' || c == '"':
			s.quoted(c)
		case c == '#' && !s.inWord:
			s.comment()
		case strings.IndexByte(separators, c) >= 0:
			s.endCommand()
			if c == '\n' {
				s.line++
			}
		case c == ' ' || c == '\t' || c == '\r':
			s.endWord()
		default:
			s.take(c, strings.IndexByte(expansions, c) >= 0)
		}
	}
	s.endCommand()
	return s.all
}

func (s *scanner) take(c byte, expands bool) {
	if !s.inWord && len(s.current.words) == 0 {
		s.current.line = s.line
	}
	s.inWord = true
	s.word = append(s.word, c)
	if expands && s.current.shell == 0 {
		s.current.shell = c
	}
}

func (s *scanner) escaped() {
	if s.pos == len(s.text) {
		return
	}
	c := s.text[s.pos]
	s.pos++
	if c == '\n' {
		s.line++
		return
	}
	s.take(c, false)
}

// quoted takes what stands in quotes; one that is never closed ends with the text.
func (s *scanner) quoted(quote byte) {
	if !s.inWord && len(s.current.words) == 0 {
		s.current.line = s.line
	}
	s.inWord = true
	for s.pos < len(s.text) {
		c := s.text[s.pos]
		s.pos++
		if c == quote {
			return
		}
		if c == '\n' {
			s.line++
		}
		s.take(c, quote == '"' && (c == '$' || c == '`' || c == '\\'))
	}
	s.current.shell = quote
}

func (s *scanner) comment() {
	for s.pos < len(s.text) && s.text[s.pos] != '\n' {
		s.pos++
	}
}

func (s *scanner) endWord() {
	if s.inWord {
		s.current.words = append(s.current.words, string(s.word))
		s.word, s.inWord = s.word[:0], false
	}
}

func (s *scanner) endCommand() {
	s.endWord()
	if len(s.current.words) > 0 {
		s.all = append(s.all, s.current)
	}
	s.current = command{}
}
