// A server of PingService in Go, over mutual TLS.
//
//	server FOLDER CLIENT
//
// FOLDER has tls.crt, tls.key and ca.crt, CLIENT is the SPIFFE ID that may call. The first line of stdout is the port, each
// other one what became of a call. The metadata x-behaviour of a call asks for a call that fails or that does not end.
// Lets running calls end when its stdin does.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"io/ioutil"
	"log"
	"net"
	"os"
	"path/filepath"
	"sync"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	_ "google.golang.org/grpc/encoding/gzip" // reads compressed requests, and answers them alike
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"zerotrust/testkit"
)

// credentialsOf lets in one workload: a certificate of our CA with its SPIFFE ID and no other name of that kind.
func credentialsOf(folder, client string) (credentials.TransportCredentials, error) {
	own, err := tls.LoadX509KeyPair(filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	ca, err := ioutil.ReadFile(filepath.Join(folder, "ca.crt"))
	if err != nil || !roots.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("%s/ca.crt has no certificate: %v", folder, err)
	}
	return credentials.NewTLS(&tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{own},
		ClientAuth:   tls.RequireAndVerifyClientCert,
		ClientCAs:    roots,
		// A resumed session would pass without the check below.
		SessionTicketsDisabled: true,
		VerifyPeerCertificate: func(_ [][]byte, chains [][]*x509.Certificate) error {
			leaf := chains[0][0]
			if len(leaf.URIs) != 1 || leaf.URIs[0].String() != client {
				return fmt.Errorf("the client is %v, not %s", leaf.URIs, client)
			}
			return nil
		},
	}), nil
}

type pingServer struct{}

func (pingServer) Ping(ctx context.Context, request *testkit.PingRequest) (*testkit.PingResponse, error) {
	echo(ctx)
	return &testkit.PingResponse{Text: request.Text}, behave(ctx)
}

func (pingServer) PingMany(request *testkit.PingManyRequest, stream testkit.PingService_PingManyServer) error {
	echo(stream.Context())
	for index := uint32(0); index < request.Count; index++ {
		if err := stream.Send(&testkit.PingManyResponse{Text: request.Text, Index: index}); err != nil {
			return err
		}
	}
	return behave(stream.Context())
}

func (pingServer) PingSum(stream testkit.PingService_PingSumServer) error {
	echo(stream.Context())
	response := &testkit.PingSumResponse{}
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		response.Sum += int64(request.Value)
		response.Count++
	}
	if err := behave(stream.Context()); err != nil {
		return err
	}
	return stream.SendAndClose(response)
}

func (pingServer) PingEach(stream testkit.PingService_PingEachServer) error {
	echo(stream.Context())
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return behave(stream.Context())
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&testkit.PingEachResponse{Text: request.Text}); err != nil {
			return err
		}
	}
}

// echo sends the notes of a call back, as headers and as trailers.
func echo(ctx context.Context) {
	sent, _ := metadata.FromIncomingContext(ctx)
	notes := metadata.MD{}
	for _, key := range []string{"x-note", "x-note-bin"} {
		notes.Append(key, sent.Get(key)...)
	}
	grpc.SetHeader(ctx, notes)
	grpc.SetTrailer(ctx, notes)
}

// behave does what the metadata asks for, when the messages of a call have been dealt with.
func behave(ctx context.Context) error {
	sent, _ := metadata.FromIncomingContext(ctx)
	id := first(sent, "x-call")
	tell(id, "began")
	if _, timed := ctx.Deadline(); timed {
		tell(id, "timed")
	}
	switch first(sent, "x-behaviour") {
	case "fail":
		refused, err := status.New(codes.FailedPrecondition, "Not today.").
			WithDetails(&errdetails.ErrorInfo{Reason: "NOT_TODAY", Domain: "interop"})
		if err != nil {
			return err
		}
		return refused.Err()
	case "hang":
		<-ctx.Done()
		tell(id, "ended")
		return status.FromContextError(ctx.Err()).Err()
	}
	return nil
}

func first(entries metadata.MD, key string) string {
	for _, value := range entries.Get(key) {
		return value
	}
	return ""
}

var printing sync.Mutex

func tell(call, event string) {
	line, _ := json.Marshal(map[string]string{"call": call, "event": event})
	printing.Lock()
	defer printing.Unlock()
	fmt.Println(string(line))
}

func main() {
	transport, err := credentialsOf(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer(grpc.Creds(transport))
	testkit.RegisterPingServiceServer(server, pingServer{})
	fmt.Printf("{\"port\":%d}\n", listener.Addr().(*net.TCPAddr).Port)
	go func() {
		io.Copy(ioutil.Discard, os.Stdin)
		server.GracefulStop()
	}()
	if err := server.Serve(listener); err != nil {
		log.Fatal(err)
	}
}
