// Package client asks a running culvert over its management socket, and tells it what to change. The command line is made
// of it, and other programs may use it alike.
//
//	c := client.New("") // /run/culvert/culvert.sock
//	for s, err := range c.Sessions(ctx, client.Filter{State: "up"}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(s.FullName(), s.Interface)
//	}
//
// Types and their fields are those of docs/api.md; a newer culvert may answer with more fields, which are left out. Every
// method takes a context first and gives up when that is done. What only reads gives up after two minutes as well.
//
// # Errors
//
// An error is one of three: [ErrUnreachable], nobody listens there; [*APIError], culvert has refused, and says why; anything
// else, the answer is not whole or not of culvert ([ErrAnswer]).
//
// # Streams
//
// [Client.Sessions] decodes one session after the other, so that a hundred thousand need no memory at once; [Collect] makes
// a list of them. [Client.Events] tells what happens from now on. A stream is ranged over once, and leaving the loop ends
// it; where it breaks off, its last step has the error and no value.
//
// # Ownership and concurrency
//
// A [Client] may be used from any goroutine. It keeps no connection open, so there is nothing to close.
package client
