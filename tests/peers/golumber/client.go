package main

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	lumber "github.com/elastic/go-lumber/client/v2"
)

// tally adds up what all connections did.
type tally struct {
	mu          sync.Mutex
	ackMillis   []float64
	sent        int
	acked       int
	windows     int
	resent      int
	errors      int
	lastError   string
	connections int
}

func (t *tally) note(change func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change()
}

func (t *tally) noteAck(events int, took time.Duration) {
	t.note(func() {
		t.acked += events
		t.windows++
		t.ackMillis = append(t.ackMillis, float64(took.Microseconds())/1000)
	})
}

// quantile needs ackMillis sorted.
func (t *tally) quantile(q float64) float64 {
	if len(t.ackMillis) == 0 {
		return 0
	}
	return t.ackMillis[int(q*float64(len(t.ackMillis)-1))]
}

// pace gives every window its moment, so that all connections together offer a rate.
type pace struct {
	mu   sync.Mutex
	rate float64
	due  time.Time
}

// wait returns when a window of so many events is due; it never makes up for a delay
// of more than a second.
func (p *pace) wait(events int) {
	if p.rate <= 0 {
		return
	}
	p.mu.Lock()
	now := time.Now()
	if earliest := now.Add(-time.Second); p.due.Before(earliest) {
		p.due = earliest
	}
	due := p.due
	p.due = due.Add(time.Duration(float64(events) / p.rate * float64(time.Second)))
	p.mu.Unlock()
	time.Sleep(time.Until(due))
}

// road is what one connection has to deliver, across reconnects: windows[acked:]
// is still to be acked, windows[:written] went out at least once.
type road struct {
	options
	tls     *tls.Config
	windows [][]interface{}
	acked   int
	written int
	until   time.Time
	tally   *tally
	pace    *pace
}

func (r *road) isOver() bool {
	return r.acked >= len(r.windows) || r.isLate()
}

func (r *road) isLate() bool {
	return !r.until.IsZero() && time.Now().After(r.until)
}

// take returns window i for sending and counts it.
func (r *road) take(i int) []interface{} {
	window := r.windows[i]
	r.pace.wait(len(window))
	r.tally.note(func() {
		r.tally.sent += len(window)
		if i < r.written {
			r.tally.resent += len(window)
		}
	})
	r.written = max(r.written, i+1)
	return window
}

func asIs(event interface{}) ([]byte, error) { return event.([]byte), nil }

func (r *road) dial() (*lumber.Client, error) {
	dialer := &net.Dialer{Timeout: r.timeout}
	dial := dialer.Dial
	if r.tls != nil {
		dial = func(network, address string) (net.Conn, error) {
			return tls.DialWithDialer(dialer, network, address, r.tls)
		}
	}
	return lumber.DialWith(dial, r.addr, lumber.JSONEncoder(asIs),
		lumber.CompressionLevel(r.compress), lumber.Timeout(r.timeout))
}

// oneByOne waits for each window's ack before the next window, as pipelining 0.
func (r *road) oneByOne(connection *lumber.Client) error {
	defer connection.Close()
	client, err := lumber.NewSyncClientWith(connection)
	if err != nil {
		return err
	}
	for !r.isOver() {
		window, start := r.take(r.acked), time.Now()
		if _, err := client.Send(window); err != nil {
			return err
		}
		r.tally.noteAck(len(window), time.Since(start))
		r.acked++
	}
	return nil
}

// pipelined keeps several windows on the wire. The library calls back in window
// order from one goroutine and fails every window after the first failed one.
func (r *road) pipelined(connection *lumber.Client) error {
	client, err := lumber.NewAsyncClientWith(connection, r.pipeline-1)
	if err != nil {
		return err
	}
	var answered sync.WaitGroup
	var broken atomic.Bool
	var acked int
	var failure error
	for i := r.acked; i < len(r.windows) && !broken.Load() && !r.isLate(); i++ {
		window, start := r.take(i), time.Now()
		answered.Add(1)
		_ = client.Send(func(_ uint32, err error) {
			defer answered.Done()
			switch {
			case err == nil:
				acked++
				r.tally.noteAck(len(window), time.Since(start))
			case !broken.Swap(true):
				failure = err
			}
		}, window)
	}
	answered.Wait()
	_ = client.Close()
	r.acked += acked
	return failure
}

// deliver reconnects like Filebeat: a failed window is sent again from its start.
func (r *road) deliver() {
	send := r.oneByOne
	if r.pipeline > 0 {
		send = r.pipelined
	}
	for fruitless := 0; !r.isOver() && fruitless <= r.retries; {
		before := r.acked
		connection, err := r.dial()
		if err == nil {
			r.tally.note(func() { r.tally.connections++ })
			err = send(connection)
		}
		if err == nil {
			continue
		}
		r.tally.note(func() { r.tally.errors++; r.tally.lastError = err.Error() })
		if fruitless++; r.acked > before {
			fruitless = 1
		}
		time.Sleep(time.Duration(min(fruitless, 10)) * 100 * time.Millisecond)
	}
}

func readEvents(path string) ([]interface{}, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var events []interface{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 128<<20)
	for lines.Scan() {
		if len(lines.Bytes()) > 0 {
			events = append(events, append([]byte(nil), lines.Bytes()...))
		}
	}
	if len(events) == 0 && lines.Err() == nil {
		return nil, errors.New("no events in " + path)
	}
	return events, lines.Err()
}

// plan cuts the events into windows and deals them to the connections.
func plan(o options, events []interface{}) [][][]interface{} {
	roads := make([][][]interface{}, o.connections)
	for round := 0; round < o.repeat; round++ {
		for at, number := 0, 0; at < len(events); at, number = at+o.batch, number+1 {
			window := events[at:min(at+o.batch, len(events))]
			for c := range roads {
				if !o.share || number%o.connections == c {
					roads[c] = append(roads[c], window)
				}
			}
		}
	}
	return roads
}

func runClient(o options) (bool, error) {
	events, err := readEvents(o.file)
	if err != nil {
		return false, err
	}
	config, err := o.tlsConfig()
	if err != nil {
		return false, err
	}
	want, total, start := 0, &tally{}, time.Now()
	shared := &pace{rate: o.rate, due: start}
	var until time.Time
	if o.limit > 0 {
		until = start.Add(o.limit)
	}
	var running sync.WaitGroup
	for _, windows := range plan(o, events) {
		for _, window := range windows {
			want += len(window)
		}
		running.Add(1)
		go func() {
			defer running.Done()
			(&road{options: o, tls: config, windows: windows, until: until, tally: total, pace: shared}).deliver()
		}()
	}
	running.Wait()
	took := time.Since(start).Seconds()
	sort.Float64s(total.ackMillis)
	printLine(map[string]any{
		"events": want, "events_sent": total.sent, "events_acked": total.acked,
		"events_resent": total.resent, "windows_acked": total.windows,
		"connections": total.connections, "errors": total.errors, "last_error": total.lastError,
		"seconds": took, "events_per_second": float64(total.acked) / took,
		"ack_ms_p50": total.quantile(.5), "ack_ms_p99": total.quantile(.99),
	})
	return total.acked == want, nil
}
