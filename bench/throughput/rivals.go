package main

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// setupWireguard starts wireguard-go. The first end makes both keys.
func setupWireguard(ctx context.Context, l *lab, t *tunnel, e *end) error {
	private, public, err := wireguardKeys(l.dir, e.number, l.other(e).number)
	if err != nil {
		return err
	}
	uapi := fmt.Sprintf("private_key=%s\nlisten_port=51820\npublic_key=%s\nendpoint=%s:51820\nallowed_ip=%s/32\n",
		private, public, l.other(e).under, t.inner(l.other(e)))
	p, err := l.start(e, fmt.Sprintf("wireguard-go (end %d)", e.number), []byte(uapi),
		l.exe.wireguard, "-name", t.device(), "-mtu", fmt.Sprint(l.mtu))
	if err != nil {
		return err
	}
	t.pids = append(t.pids, p.PID())
	return l.finishDevice(ctx, t, e)
}

// wireguardKeys returns our private and the peer's public key in hexadecimal; keys live as files of the lab.
func wireguardKeys(dir string, own, peer int) (private, public string, err error) {
	keys := map[int]*ecdh.PrivateKey{}
	for _, n := range []int{own, peer} {
		path := filepath.Join(dir, fmt.Sprintf("wireguard-%d.key", n))
		raw, err := os.ReadFile(path)
		if err != nil {
			raw = make([]byte, 32)
			_, _ = rand.Read(raw) // never fails
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				return "", "", err
			}
		}
		if keys[n], err = ecdh.X25519().NewPrivateKey(raw); err != nil {
			return "", "", err
		}
	}
	return hex.EncodeToString(keys[own].Bytes()), hex.EncodeToString(keys[peer].PublicKey().Bytes()), nil
}

// fastdKey finds the two lines of fastd --generate-key.
var fastdKey = regexp.MustCompile(`(?s)Secret: ([0-9a-f]{64}).*Public: ([0-9a-f]{64})`)

// setupFastd starts fastd with method null, in its default mode (Ethernet). Its keys are made at the first end.
func setupFastd(ctx context.Context, l *lab, t *tunnel, e *end) error {
	keys, err := fastdKeys(ctx, l)
	if err != nil {
		return err
	}
	o := l.other(e)
	text := fmt.Sprintf(`log level warn;
mode tap;
interface %q;
method "null";
mtu %d;
bind %s:10000;
secret %q;
peer "other" { key %q; remote %s:10000; }
`, t.device(), l.mtu, e.under, keys[e.number-1][0], keys[o.number-1][1], o.under)
	path := filepath.Join(l.dir, fmt.Sprintf("fastd-%d.conf", e.number))
	if err = os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	p, err := l.start(e, fmt.Sprintf("fastd (end %d)", e.number), nil, l.exe.fastd, "--config", path)
	if err != nil {
		return err
	}
	t.pids = append(t.pids, p.PID())
	return l.finishDevice(ctx, t, e)
}

// fastdKeys makes, or reads again, secret and public key of both ends.
func fastdKeys(ctx context.Context, l *lab) (keys [2][2]string, err error) {
	for i := range keys {
		path := filepath.Join(l.dir, fmt.Sprintf("fastd-%d.key", i+1))
		out, err := os.ReadFile(path)
		if err != nil {
			if out, err = l.ends[i].ns.Run(ctx, l.exe.fastd, "--generate-key"); err != nil {
				return keys, err
			}
			if err = os.WriteFile(path, out, 0o600); err != nil {
				return keys, err
			}
		}
		m := fastdKey.FindSubmatch(out)
		if m == nil {
			return keys, fmt.Errorf("fastd --generate-key printed no keys")
		}
		keys[i] = [2]string{string(m[1]), string(m[2])}
	}
	return keys, nil
}
