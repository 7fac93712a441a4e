package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"net"
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
			window.ACK()
		case <-stop:
			printLine(map[string]any{"events": events, "windows": windows, "json_bytes": size})
			return true, nil
		}
	}
}
