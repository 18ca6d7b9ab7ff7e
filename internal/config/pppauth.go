package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"culvert/internal/auth"
	"culvert/pppfsm"
)

// authentication is what a profile says about who proves himself to whom.
type authentication struct {
	require, refuse                  []pppfsm.AuthMethod
	anyMethod                        bool // require came from pppd's auth, which a later require-... narrows
	name, user, remoteName, peerUser string
	password, peerPassword           auth.Secret
	table                            *auth.Table
	link                             pppfsm.Auth // timers and counters
}

// secretsFile is a file that was read, or why it could not be.
type secretsFile struct {
	table *auth.Table
	err   error
}

// methods are all there are, the strongest first: pppd's order.
var methods = []pppfsm.AuthMethod{pppfsm.AuthMSCHAPv2, pppfsm.AuthCHAP, pppfsm.AuthPAP}

var methodNames = map[string]pppfsm.AuthMethod{
	pppfsm.AuthPAP.String():      pppfsm.AuthPAP,
	pppfsm.AuthCHAP.String():     pppfsm.AuthCHAP,
	pppfsm.AuthMSCHAPv2.String(): pppfsm.AuthMSCHAPv2,
}

// demandAny is pppd's auth: with any method, unless some were named.
func (a *authentication) demandAny() {
	if len(a.require) == 0 {
		a.require, a.anyMethod = slices.Clone(methods), true
	}
}

// demandAlso is pppd's require-...: of several the strongest comes first.
func (a *authentication) demandAlso(m pppfsm.AuthMethod) {
	if a.anyMethod {
		a.require, a.anyMethod = nil, false
	}
	var all []pppfsm.AuthMethod
	for _, x := range methods {
		if x == m || slices.Contains(a.require, x) {
			all = append(all, x)
		}
	}
	a.require = all
}

// refuseAlso is pppd's refuse-...
func (a *authentication) refuseAlso(m pppfsm.AuthMethod) {
	if !slices.Contains(a.refuse, m) {
		a.refuse = append(a.refuse, m)
	}
}

// demand reads auth.
func (p *parser) demand(v *node, a *authentication) {
	a.anyMethod = false
	p.methods(v, &a.require)
}

// methods reads a list of authentication methods.
func (p *parser) methods(v *node, to *[]pppfsm.AuthMethod) {
	var all []pppfsm.AuthMethod
	p.each(v, kindString, func(e *node) {
		var m pppfsm.AuthMethod
		switch ok := choice(p, e, &m, methodNames); {
		case !ok:
		case slices.Contains(all, m):
			p.fail(e, "%q is there twice", m)
		default:
			all = append(all, m)
		}
	})
	*to = all
}

// authName reads a name of at most 255 bytes.
func (p *parser) authName(v *node, to *string) {
	var s string
	if !p.text(v, &s) {
		return
	}
	if err := setName(to, s); err != nil {
		p.fail(v, "%v", err)
	}
}

var (
	errNameForm   = errors.New("must have at most 255 bytes")
	errSecretForm = errors.New("must have 1 to 255 bytes")
	errQuoted     = fmt.Errorf("%w without quotes and backslashes: use the key password for others", errSecretForm)
)

func setName(to *string, s string) error {
	if len(s) > pppfsm.MaxAuthName {
		return errNameForm
	}
	*to = s
	return nil
}

// secret reads a secret. Its value stays out of errors.
func (p *parser) secret(v *node, to *auth.Secret) {
	if !p.is(v, kindString) {
		return
	}
	if err := setSecret(to, v.text); err != nil {
		p.fail(v, "%v", err)
	}
}

func setSecret(to *auth.Secret, s string) error {
	if s == "" || len(s) > auth.MaxSecret {
		return errSecretForm
	}
	*to = auth.NewSecret(s)
	return nil
}

// setPassword is pppd's password, for which there are no quotes here.
func setPassword(to *auth.Secret, s string) error {
	if strings.ContainsAny(s, `"'\`) {
		return errQuoted
	}
	return setSecret(to, s)
}

// secretsFile reads the file the key names.
func (p *parser) secretsFile(v *node, a *authentication) {
	var path string
	if !p.text(v, &path) {
		return
	}
	if !strings.HasPrefix(path, "/") || strings.ContainsRune(path, 0) {
		p.fail(v, "must be an absolute path, not %q", path)
		return
	}
	f, ok := p.secrets[path]
	if !ok {
		f.table, f.err = auth.Load(path)
		if p.secrets == nil {
			p.secrets = map[string]secretsFile{}
		}
		p.secrets[path] = f
	}
	if f.err != nil {
		p.fail(v, "%v", f.err)
	}
	a.table = f.table
}

// checkAuth looks at what the keys of authentication say together, and makes of them what a link needs.
func (p *parser) checkAuth(f *profile) {
	a := &f.auth
	name, named := a.name, a.name != ""
	if !named {
		name = hostName()
	}
	if len(a.require) > 0 {
		p.checkDemand(f, name)
		f.Authenticator = &auth.Local{Name: name, Peer: a.peerUser, Secret: a.peerPassword, Table: a.table}
	} else if !a.peerPassword.IsZero() {
		f.fail(p, "peer_password", "means nothing without auth")
	}
	if a.peerUser != "" && a.peerPassword.IsZero() {
		f.fail(p, "peer_user", "needs peer_password")
	}
	accept := p.checkProof(f, name)
	if len(a.require)+len(accept) == 0 {
		return
	}
	link := a.link
	link.Require, link.Accept = a.require, accept
	if named || len(a.require) > 0 {
		link.Name = name
	}
	user := a.user
	if user == "" {
		user = name
	}
	f.Prover = &auth.Prover{User: user, Secret: a.password, RemoteName: a.remoteName, Table: a.table}
	link.Prove = f.Prover.Prove
	f.Link.Auth = &link
}

// checkDemand reports a demand that no peer could meet.
func (p *parser) checkDemand(f *profile, name string) {
	a := &f.auth
	switch {
	case !a.peerPassword.IsZero() || f.n.get("secrets_file") != nil && a.table == nil: // the file was reported
	case a.table == nil:
		f.fail(p, "auth", "no peer could prove itself: secrets_file or peer_password is needed")
	case !a.table.HasServer(name):
		f.fail(p, "secrets_file", "has no secret for the server %q, which is our name", name)
	}
}

// checkProof gives the methods we prove ourselves with: those not refused, where there is a secret to do so.
func (p *parser) checkProof(f *profile, name string) (accept []pppfsm.AuthMethod) {
	a := &f.auth
	user := a.user
	if user == "" {
		user = name
	}
	has := !a.password.IsZero() || a.table != nil && a.table.HasClient(user)
	for _, m := range methods {
		if has && !slices.Contains(a.refuse, m) {
			accept = append(accept, m)
		}
	}
	switch {
	case has && len(accept) == 0 && !a.password.IsZero():
		f.fail(p, "refuse", "refuses every method, so that password means nothing")
	case has || a.user == "" || f.n.get("secrets_file") != nil && a.table == nil:
	case a.table == nil:
		f.fail(p, "user", "has no secret: password or secrets_file is needed")
	default:
		f.fail(p, "user", "%q has no secret in secrets_file", a.user)
	}
	return accept
}

// hostName is pppd's default for name.
func hostName() string {
	if name, err := os.Hostname(); err == nil && name != "" && len(name) <= pppfsm.MaxAuthName {
		return name
	}
	return "culvert"
}
