package load

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// DefaultPort is where a Sink listens; it answers requests on the next one.
const DefaultPort = 5301

const (
	maxFlows    = 256
	maxLine     = 4 << 10          // bytes of a control message
	answerWait  = 15 * time.Second // for an answer, and for anything to be written
	trialWait   = 15 * time.Minute // between two messages of a generator
	maxDuration = 10 * time.Minute
)

// Errors of the two ends.
var (
	ErrFlows    = errors.New("flows must be 1 to 256")
	ErrDuration = errors.New("duration of a trial must be up to 10 minutes")
	ErrSink     = errors.New("the sink refuses")
)

// request is what a generator tells a sink: one JSON object a line.
type request struct {
	Op    string `json:"op"` // "begin", "end"
	Trial uint32 `json:"trial"`
	Flows int    `json:"flows,omitempty"`
	GRO   bool   `json:"gro,omitempty"`
	Sent  uint64 `json:"sent,omitempty"`
}

// answer is what the sink says.
type answer struct {
	Error  string        `json:"error,omitempty"`
	Counts Counts        `json:"counts"`
	Span   time.Duration `json:"span_ns"` // from the first to the last packet
}

// controller is a generator's end of the control connection.
type controller struct {
	conn net.Conn
	in   *bufio.Reader
}

// ask sends a request and waits for the answer.
func (c *controller) ask(r request) (answer, error) {
	var a answer
	if err := c.conn.SetDeadline(time.Now().Add(answerWait)); err != nil {
		return a, err
	}
	if err := json.NewEncoder(c.conn).Encode(r); err != nil {
		return a, fmt.Errorf("control connection: %w", err)
	}
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return a, fmt.Errorf("control connection: %w", err)
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("control connection: %w", err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%w: %s", ErrSink, a.Error)
	}
	return a, nil
}
