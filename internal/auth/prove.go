package auth

import "culvert/pppfsm"

// Prover proves who we are.
type Prover struct {
	// User is our name.
	User string
	// Secret is what we prove ourselves with, whoever asks; zero: what Table has.
	Secret Secret
	// RemoteName is what the peer is called, whatever it says, where Table is asked; empty: what it says, which with
	// PAP is nothing.
	RemoteName string
	// Table is the secrets file, nil: none.
	Table *Table
}

// Prove is pppfsm.Auth's.
func (p *Prover) Prove(c pppfsm.Challenge) (proof pppfsm.Proof, ok bool) {
	secret := p.Secret
	if secret.IsZero() {
		server := p.RemoteName
		if server == "" {
			server = c.Name
		}
		e, _ := p.Table.Lookup(p.User, server)
		secret = e.Secret
	}
	if secret.IsZero() {
		return pppfsm.Proof{}, false
	}
	proof.Name = p.User
	switch c.Method {
	case pppfsm.AuthPAP:
		proof.Value = []byte(secret.reveal())
	case pppfsm.AuthCHAP:
		proof.Value = chapMD5(c.ID, secret, c.Value)
	case pppfsm.AuthMSCHAPv2:
		var err error
		proof.Value, proof.Verify, err = mschapv2(p.User, secret, c.Value, c.Peer[:])
		return proof, err == nil
	case pppfsm.AuthNone:
		return pppfsm.Proof{}, false
	}
	return proof, true
}
