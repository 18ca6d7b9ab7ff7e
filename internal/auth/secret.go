package auth

import "crypto/subtle"

// Secret is a password or a shared secret. Nothing that prints, logs or marshals one shows it; the zero Secret is
// none. The text is behind a pointer, so that not even %#v of a struct around it reaches it.
type Secret struct{ text *string }

// redacted is what is shown instead of a secret.
const redacted = "[redacted]"

// MaxSecret is the longest secret, in bytes: PAP counts them in one byte (RFC 1334 section 2.2.1).
const MaxSecret = 255

// NewSecret makes a Secret of a text that is not empty.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{&text}
}

// IsZero tells whether there is no secret.
func (s Secret) IsZero() bool { return s.text == nil }

// String hides the secret.
func (s Secret) String() string {
	if s.IsZero() {
		return ""
	}
	return redacted
}

// GoString hides the secret from %#v.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret from JSON, TOML and logs.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Equal compares two secrets in a time that depends on their lengths alone.
func (s Secret) Equal(o Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.reveal()), []byte(o.reveal())) == 1
}

// reveal gives the text, for arithmetic alone.
func (s Secret) reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}
