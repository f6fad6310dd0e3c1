// A client of PingService in Go, over mutual TLS.
//
//	client ADDRESS FOLDER SERVER
//
// ADDRESS is host:port, FOLDER has tls.crt, tls.key and ca.crt (without tls.crt it shows no certificate), SERVER is
// the SPIFFE ID that the server must have. Each line of stdin is a call in JSON, or the word to cancel one; each line of
// stdout is how a call ended. Ends with its stdin.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/ioutil"
	"log"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/golang/protobuf/proto"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"zerotrust/testkit"
)

// dial opens a channel to one workload. The server needs a certificate of our CA for the workload's DNS name, as anywhere in
// TLS, and besides that for the workload's SPIFFE ID: DNS alone does not tell trust domains and paths apart.
func dial(address, folder, server string) (*grpc.ClientConn, error) {
	id, err := url.Parse(server)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	ca, err := ioutil.ReadFile(filepath.Join(folder, "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s/ca.crt has no certificate: %v", folder, err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13,
		RootCAs:    roots,
		ServerName: path.Base(id.Path) + "." + id.Host,
		VerifyPeerCertificate: func(_ [][]byte, chains [][]*x509.Certificate) error {
			leaf := chains[0][0]
			if len(leaf.URIs) != 1 || leaf.URIs[0].String() != server {
				return fmt.Errorf("the server is %v, not %s", leaf.URIs, server)
			}
			return nil
		},
	}
	own, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
	if err == nil {
		config.Certificates = []tls.Certificate{own}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return grpc.Dial(address, grpc.WithTransportCredentials(credentials.NewTLS(config)))
}

type order struct {
	ID           string            `json:"id"`
	Cancel       bool              `json:"cancel"`
	Method       string            `json:"method"`
	Requests     [][]byte          `json:"requests"` // serialized messages
	TimeoutMs    int               `json:"timeoutMs"`
	Metadata     map[string]string `json:"metadata"` // base64 where the key ends in -bin
	Gzip         bool              `json:"gzip"`
	WaitForReady bool              `json:"waitForReady"`
}

type result struct {
	ID        string              `json:"id"`
	Responses [][]byte            `json:"responses"`
	Code      uint32              `json:"code"`
	Message   string              `json:"message"`
	Headers   map[string][]string `json:"headers"`
	Trailers  map[string][]string `json:"trailers"`
	Reason    string              `json:"reason"` // of google.rpc.ErrorInfo
}

// call makes one call of any kind. Its responses are those that came before its end, whatever that was.
func call(ctx context.Context, client testkit.PingServiceClient, o order) result {
	ctx, stop := context.WithTimeout(ctx, time.Duration(o.TimeoutMs)*time.Millisecond)
	defer stop()
	ctx = withMetadata(ctx, o.Metadata)
	var headers, trailers metadata.MD
	options := []grpc.CallOption{grpc.Header(&headers), grpc.Trailer(&trailers), grpc.WaitForReady(o.WaitForReady)}
	if o.Gzip {
		options = append(options, grpc.UseCompressor(gzip.Name))
	}
	responses := [][]byte{}
	got := func(message proto.Message) { responses = append(responses, must(proto.Marshal(message))) }

	err := map[string]func() error{
		"Ping":     func() error { return ping(ctx, client, o.Requests, got, options) },
		"PingMany": func() error { return pingMany(ctx, client, o.Requests, got, options) },
		"PingSum":  func() error { return pingSum(ctx, client, o.Requests, got, options) },
		"PingEach": func() error { return pingEach(ctx, client, o.Requests, got, options) },
	}[o.Method]()

	end := status.Convert(err)
	return result{o.ID, responses, uint32(end.Code()), end.Message(), printable(headers), printable(trailers), reason(end)}
}

func ping(ctx context.Context, client testkit.PingServiceClient, requests [][]byte, got func(proto.Message), options []grpc.CallOption) error {
	request := &testkit.PingRequest{}
	parse(requests[0], request)
	response, err := client.Ping(ctx, request, options...)
	if err == nil {
		got(response)
	}
	return err
}

func pingMany(ctx context.Context, client testkit.PingServiceClient, requests [][]byte, got func(proto.Message), options []grpc.CallOption) error {
	request := &testkit.PingManyRequest{}
	parse(requests[0], request)
	stream, err := client.PingMany(ctx, request, options...)
	for err == nil {
		var response *testkit.PingManyResponse
		if response, err = stream.Recv(); err == nil {
			got(response)
		}
	}
	return unlessEnd(err)
}

func pingSum(ctx context.Context, client testkit.PingServiceClient, requests [][]byte, got func(proto.Message), options []grpc.CallOption) error {
	stream, err := client.PingSum(ctx, options...)
	if err != nil {
		return err
	}
	for _, each := range requests {
		request := &testkit.PingSumRequest{}
		parse(each, request)
		// An error of Send says only that the call has ended; CloseAndRecv says how.
		if stream.Send(request) != nil {
			break
		}
	}
	response, err := stream.CloseAndRecv()
	if err == nil {
		got(response)
	}
	return err
}

// pingEach waits for each answer before it sends the next message.
func pingEach(ctx context.Context, client testkit.PingServiceClient, requests [][]byte, got func(proto.Message), options []grpc.CallOption) error {
	stream, err := client.PingEach(ctx, options...)
	if err != nil {
		return err
	}
	for _, each := range requests {
		request := &testkit.PingEachRequest{}
		parse(each, request)
		if stream.Send(request) != nil {
			break
		}
		response, err := stream.Recv()
		if err != nil {
			return unlessEnd(err)
		}
		got(response)
	}
	stream.CloseSend()
	_, err = stream.Recv()
	return unlessEnd(err)
}

func unlessEnd(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

func withMetadata(ctx context.Context, entries map[string]string) context.Context {
	for key, value := range entries {
		if strings.HasSuffix(key, "-bin") {
			value = string(must(base64.StdEncoding.DecodeString(value)))
		}
		ctx = metadata.AppendToOutgoingContext(ctx, key, value)
	}
	return ctx
}

func printable(entries metadata.MD) map[string][]string {
	all := map[string][]string{}
	for key, values := range entries {
		for _, value := range values {
			if strings.HasSuffix(key, "-bin") {
				value = base64.StdEncoding.EncodeToString([]byte(value))
			}
			all[key] = append(all[key], value)
		}
	}
	return all
}

// reason is why a call was refused, for programs: `PEER_NOT_GRANTED`.
func reason(end *status.Status) string {
	for _, detail := range end.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && end.Code() != codes.OK {
			return info.GetReason()
		}
	}
	return ""
}

func parse(bytes []byte, message proto.Message) {
	if err := proto.Unmarshal(bytes, message); err != nil {
		log.Fatal(err)
	}
}

func must(bytes []byte, err error) []byte {
	if err != nil {
		log.Fatal(err)
	}
	return bytes
}

func main() {
	conn, err := dial(os.Args[1], os.Args[2], os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	client := testkit.NewPingServiceClient(conn)
	running := map[string]context.CancelFunc{}
	var printing sync.Mutex
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var next order
		if err := json.Unmarshal(lines.Bytes(), &next); err != nil {
			log.Fatal(err)
		}
		if next.Cancel {
			running[next.ID]()
			continue
		}
		ctx, cancel := context.WithCancel(context.Background())
		running[next.ID] = cancel
		go func() {
			ended, _ := json.Marshal(call(ctx, client, next))
			printing.Lock()
			defer printing.Unlock()
			fmt.Println(string(ended))
		}()
	}
}
