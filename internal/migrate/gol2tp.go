package migrate

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"culvert/internal/config"
)

// table is a TOML table.
type table = map[string]any

// GoL2TP gives the configuration for a file of go-l2tp's daemons: ql2tpd's, which stays what it is, and kl2tpd's, whose
// tunnels become L2TPv3 and whose pppd options are put into PPP profiles. Read gives the files that pppd_args names.
func GoL2TP(name string, text []byte, read func(path string) ([]byte, error)) ([]byte, error) {
	s := &script{name: clean(name), command: "import kl2tpd"}
	if len(text) > config.MaxSize {
		return nil, fmt.Errorf("%s: more than %d bytes", s.name, config.MaxSize)
	}
	file := table{}
	if err := toml.Unmarshal(text, &file); err != nil {
		var at *toml.DecodeError
		if errors.As(err, &at) {
			row, _ := at.Position()
			return nil, fmt.Errorf("%s:%d: %w", s.name, row, err)
		}
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	g := &goL2TP{script: s, read: read, profiles: table{}, byPath: map[string]string{}}
	tunnels, _ := file["tunnel"].(table)
	for _, name := range slices.Sorted(maps.Keys(tunnels)) {
		if t, ok := tunnels[name].(table); ok {
			g.tunnel(name, t)
		}
	}
	if len(s.errs) > 0 {
		return nil, errors.Join(s.errs...)
	}
	if len(g.profiles) > 0 {
		file["ppp"] = g.profiles
	}
	return g.render(file)
}

// goL2TP is one conversion.
type goL2TP struct {
	*script
	read     func(path string) ([]byte, error)
	profiles table             // the [ppp.NAME] that were made
	byPath   map[string]string // names of those, by pppd_args
}

// tunnel changes the table of a tunnel. kl2tpd takes ids and does not need them: its tunnels are dynamic.
func (g *goL2TP) tunnel(name string, t table) {
	isV2 := t["version"] == "l2tpv2"
	if isV2 {
		t["version"] = "l2tpv3"
		g.remark("tunnel %s: L2TPv2, so the other end must change to L2TPv3, too", clean(name))
		g.drop(t, "tunnel "+name, "tid", "ptid")
	}
	sessions, _ := t["session"].(table)
	for _, n := range slices.Sorted(maps.Keys(sessions)) {
		x, ok := sessions[n].(table)
		if !ok {
			continue
		}
		what := "tunnel " + name + ", session " + n
		if x["pseudowire"] == "pppac" {
			g.remark("%s: pseudowire pppac", clean(what))
			delete(sessions, n)
			continue
		}
		if isV2 {
			g.drop(x, what, "sid", "psid", "cookie", "peer_cookie")
			if x["seqnum"] == true { // in the header of L2TPv2, in the sublayer of L2TPv3
				x["l2spec_type"] = "default"
			}
		}
		g.pppdArgs(name+"-"+n, what, x)
	}
}

// drop takes keys away that the control connection sees to.
func (g *goL2TP) drop(t table, what string, keys ...string) {
	for _, k := range keys {
		if _, ok := t[k]; ok {
			g.remark("%s: %s, which the control connection assigns", clean(what), k)
			delete(t, k)
		}
	}
}

// pppdArgs puts the options in the file that pppd_args names into a profile, one for each file.
func (g *goL2TP) pppdArgs(profile, what string, x table) {
	path, ok := x["pppd_args"].(string)
	if !ok {
		return
	}
	delete(x, "pppd_args")
	if known, ok := g.byPath[path]; ok {
		x["ppp_profile"] = known
		return
	}
	text, err := g.read(path)
	if err != nil {
		g.errs = append(g.errs, fmt.Errorf("%s: %s: pppd_args: %w", g.name, clean(what), err))
		return
	}
	g.byPath[path] = profile
	g.profiles[profile] = table{"pppd_options": strings.Join(strings.Fields(string(text)), " ")}
	x["ppp_profile"] = profile
}

// render gives the file, which config.Parse takes.
func (g *goL2TP) render(file table) ([]byte, error) {
	body, err := toml.Marshal(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", g.name, err)
	}
	w := &writer{}
	w.head(g.script)
	text := append([]byte(w.text.String()+"\n"), body...)
	if _, err := config.Parse(g.name, text); err != nil {
		w.from = make([]int, len(text)+1) // lines of what we made mean nothing to anybody
		return nil, w.located(err)
	}
	return text, nil
}
