// golumber-peer speaks Lumberjack v2 with github.com/elastic/go-lumber, the very
// client inside Filebeat's logstash output. By default it is a client: it sends
// the lines of an NDJSON file as they are, in windows, and prints one JSON line
// with what was acked and how long acks took. With -serve it is a server that
// acks everything and prints what it received.
//
// Exit code: 0 everything acked, 1 not everything, 2 it could not begin.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	lumberlog "github.com/elastic/go-lumber/log"
)

type options struct {
	addr        string
	file        string
	repeat      int
	batch       int
	pipeline    int
	compress    int
	connections int
	rate        float64
	share       bool
	timeout     time.Duration
	limit       time.Duration
	retries     int
	tlsCA       string
	tlsCert     string
	tlsKey      string
	serve       bool
	events      bool
	bulk        string
}

func parseFlags() options {
	var o options
	verbose := flag.Bool("v", false, "show go-lumber's own log on standard error")
	flag.StringVar(&o.addr, "addr", "127.0.0.1:5044", "address to send to; with -serve to listen on (port 0: a free one)")
	flag.StringVar(&o.file, "file", "", "NDJSON events, one object a line, sent byte for byte")
	flag.IntVar(&o.repeat, "repeat", 1, "how many times the file is sent on each connection")
	flag.IntVar(&o.batch, "batch", 2048, "events in a window")
	flag.IntVar(&o.pipeline, "pipeline", 0, "Filebeat's pipelining: N leaves N+1 windows unacked, 0 waits for each ack")
	flag.IntVar(&o.compress, "compress", 3, "compression level, 0 to 9")
	flag.IntVar(&o.connections, "connections", 1, "connections in parallel, each sending the whole file")
	flag.Float64Var(&o.rate, "rate", 0, "events a second that all connections together offer; 0 is no limit")
	flag.BoolVar(&o.share, "share", false, "connections share the file's windows instead of each sending all")
	flag.DurationVar(&o.timeout, "timeout", 30*time.Second, "network timeout, as Filebeat's")
	flag.DurationVar(&o.limit, "limit", 0, "start no further window after this time; 0 is no limit")
	flag.IntVar(&o.retries, "retries", 20, "connections in a row that bring nothing before giving up")
	flag.StringVar(&o.tlsCA, "tls-ca", "", "authority of the other end; turns TLS on")
	flag.StringVar(&o.tlsCert, "tls-cert", "", "own certificate")
	flag.StringVar(&o.tlsKey, "tls-key", "", "key of -tls-cert")
	flag.BoolVar(&o.serve, "serve", false, "be a server that acks all until SIGINT or SIGTERM")
	flag.BoolVar(&o.events, "events", false, "with -serve: print every event received, one a line, on standard error")
	flag.StringVar(&o.bulk, "bulk", "", "with -serve: an Elasticsearch; a window is acked when its bulk was taken whole")
	flag.Parse()
	if !*verbose {
		lumberlog.Logger = log.New(io.Discard, "", 0)
	}
	return o
}

// tlsConfig is nil when no TLS flag was given.
func (o options) tlsConfig() (*tls.Config, error) {
	if o.tlsCA == "" && o.tlsCert == "" {
		return nil, nil
	}
	config := &tls.Config{}
	if o.tlsCA != "" {
		pem, err := os.ReadFile(o.tlsCA)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, errors.New("no certificate in " + o.tlsCA)
		}
		config.RootCAs, config.ClientCAs = pool, pool
		if o.serve {
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	if o.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

func printLine(value any) {
	_ = json.NewEncoder(os.Stdout).Encode(value)
}

func main() {
	o := parseFlags()
	run := runClient
	if o.serve {
		run = runServer
	}
	done, err := run(o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "golumber-peer:", err)
		os.Exit(2)
	}
	if !done {
		os.Exit(1)
	}
}
