// Package archtest holds the rules that the whole tree obeys, as tests: which package may know which, where the
// kernel may be spoken to, that automata have no clock, that everything is documented and that no file grows into
// "the connection". The rules themselves are explained in docs/architecture.md; the package has no code of its own.
package archtest
