package mgmt

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
)

// Each asks q and calls use with one element of the answer after the other, so that a long list is
// never held as a whole.
func Each[T any](ctx context.Context, c *Client, q Query[[]T], use func(*T)) error {
	return c.do(ctx, http.MethodGet, q.path, http.NoBody, func(r io.Reader) error {
		dec := json.NewDecoder(r)
		if tok, err := dec.Token(); err != nil {
			return err
		} else if tok != json.Delim('[') {
			return errors.New("not a list")
		}
		for dec.More() {
			v := new(T)
			if err := dec.Decode(v); err != nil {
				return err
			}
			use(v)
		}
		if _, err := dec.Token(); err != nil { // the closing bracket: an answer cut off is not taken for a whole one
			return err
		}
		if _, err := dec.Token(); !errors.Is(err, io.EOF) {
			return errors.Join(err, errors.New("more than one value"))
		}
		return nil
	})
}
