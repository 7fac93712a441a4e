package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	lumber "github.com/elastic/go-lumber/server/v2"
)

// keepBytes checks that an event is JSON and keeps its bytes.
func keepBytes(raw []byte, into interface{}) error {
	if !json.Valid(raw) {
		return errors.New("event is not JSON")
	}
	*into.(*interface{}) = append([]byte(nil), raw...)
	return nil
}

// isTaken writes a window into the data streams logs-SERVICE-pt with one bulk, and says whether every
// document was taken. A window without an ack is sent again by the client.
func isTaken(url string, events []interface{}) bool {
	var body bytes.Buffer
	for _, event := range events {
		var head struct {
			Service string `json:"service"`
		}
		if json.Unmarshal(event.([]byte), &head) != nil {
			return false
		}
		fmt.Fprintf(&body, "{\"create\":{\"_index\":\"logs-%s-pt\"}}\n%s\n", head.Service, event.([]byte))
	}
	answer, err := http.Post(url+"/_bulk?filter_path=errors", "application/x-ndjson", &body)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	var told struct {
		Errors bool `json:"errors"`
	}
	return json.NewDecoder(answer.Body).Decode(&told) == nil && answer.StatusCode == 200 && !told.Errors
}

// runServer acks all. It prints a first line with its address and a last one with
// what it received.
func runServer(o options) (bool, error) {
	config, err := o.tlsConfig()
	if err != nil {
		return false, err
	}
	listener, err := net.Listen("tcp", o.addr)
	if err != nil {
		return false, err
	}
	if config != nil { // the library's own TLS option needs it to open the port itself
		listener = tls.NewListener(listener, config)
	}
	server, err := lumber.NewWithListener(listener, lumber.Timeout(o.timeout), lumber.JSONDecoder(keepBytes))
	if err != nil {
		return false, err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	printLine(map[string]any{"listening": listener.Addr().String()})
	var events, windows, size int
	for {
		select {
		case window := <-server.ReceiveChan():
			if window == nil {
				return false, errors.New("the server stopped by itself")
			}
			for _, event := range window.Events {
				raw := event.([]byte)
				size += len(raw)
				if o.events {
					_, _ = os.Stderr.Write(append(raw, '\n'))
				}
			}
			events, windows = events+len(window.Events), windows+1
			if o.bulk == "" || isTaken(o.bulk, window.Events) {
				window.ACK()
			}
		case <-stop:
			printLine(map[string]any{"events": events, "windows": windows, "json_bytes": size})
			return true, nil
		}
	}
}
