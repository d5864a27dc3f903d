// The story, told with centrifuge-go: story URL json|protobuf CODE,CODE,…
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

var ctx = context.Background()

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// next waits for an event.
func next[T any](events chan T) T {
	select {
	case event := <-events:
		return event
	case <-time.After(10 * time.Second):
		panic("no event within 10 s")
	}
}

// Of one client: its events in channels, so that one that comes early can be waited for.
type person struct {
	*centrifuge.Client
	connecting   chan uint32
	connected    chan bool
	disconnected chan uint32
	message      chan string
}

func open(token string, getToken func(centrifuge.ConnectionTokenEvent) (string, error)) *person {
	make := map[string]func(string, centrifuge.Config) *centrifuge.Client{
		"json": centrifuge.NewJsonClient, "protobuf": centrifuge.NewProtobufClient,
	}[os.Args[2]]
	p := &person{
		Client: make(os.Args[1], centrifuge.Config{
			Token: token, GetToken: getToken, MinReconnectDelay: 10 * time.Millisecond, MaxReconnectDelay: 50 * time.Millisecond,
		}),
	}
	p.connecting, p.connected, p.disconnected, p.message = newChan[uint32](), newChan[bool](), newChan[uint32](), newChan[string]()
	p.OnConnecting(func(e centrifuge.ConnectingEvent) { p.connecting <- e.Code })
	p.OnConnected(func(centrifuge.ConnectedEvent) { p.connected <- true })
	p.OnDisconnected(func(e centrifuge.DisconnectedEvent) { p.disconnected <- e.Code })
	p.OnMessage(func(e centrifuge.MessageEvent) { p.message <- string(e.Data) })
	check(p.Connect())
	next(p.connecting)
	return p
}

func newChan[T any]() chan T { return make(chan T, 100) }

func connect(token string, getToken func(centrifuge.ConnectionTokenEvent) (string, error)) *person {
	p := open(token, getToken)
	next(p.connected)
	return p
}

func (p *person) ask(method string, value any) string {
	data, err := json.Marshal(value)
	check(err)
	result, err := p.RPC(ctx, method, data)
	check(err)
	return string(result.Data)
}

func (p *person) untilRefreshed(times string) {
	for p.ask("refreshes", struct{}{}) != times {
		time.Sleep(50 * time.Millisecond)
	}
}

func main() {
	client := connect("u1", nil)
	say("connect: connected")
	room, err := client.NewSubscription("room", centrifuge.SubscriptionConfig{Recoverable: true, JoinLeave: true})
	check(err)
	subscribed, unsubscribed := newChan[centrifuge.SubscribedEvent](), newChan[centrifuge.UnsubscribedEvent]()
	publications := newChan[centrifuge.PublicationEvent]()
	joins, leaves := newChan[string](), newChan[string]()
	room.OnSubscribed(func(e centrifuge.SubscribedEvent) { subscribed <- e })
	room.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) { unsubscribed <- e })
	room.OnPublication(func(e centrifuge.PublicationEvent) { publications <- e })
	room.OnJoin(func(e centrifuge.JoinEvent) { joins <- e.User })
	room.OnLeave(func(e centrifuge.LeaveEvent) { leaves <- e.User })
	check(room.Subscribe())
	next(subscribed)
	say("subscribe: subscribed")
	say("join: %s", next(joins))

	_, err = room.Publish(ctx, []byte(`{"n":1}`))
	check(err)
	pub := next(publications)
	say("publish: %s of %s at %d", pub.Data, pub.Info.User, pub.Offset)
	presence, err := room.Presence(ctx)
	check(err)
	stats, err := room.PresenceStats(ctx)
	check(err)
	users := []string{}
	for _, info := range presence.Clients {
		users = append(users, info.User)
	}
	sort.Strings(users)
	say("presence: %s; %d clients, %d users", strings.Join(users, ","), stats.NumClients, stats.NumUsers)
	history, err := room.History(ctx, centrifuge.WithHistoryLimit(10))
	check(err)
	said := []string{}
	for _, one := range history.Publications {
		said = append(said, string(one.Data))
	}
	say("history: %s", strings.Join(said, ","))
	say("rpc: %s", client.ask("echo", map[string]int{"hello": 1}))
	check(client.Send(ctx, []byte(`{"sent":1}`)))
	say("send: %s", next(client.message))

	other := connect("u2", nil)
	visit, err := other.NewSubscription("room")
	check(err)
	check(visit.Subscribe())
	came := next(joins)
	check(other.Disconnect())
	say("others: join %s, leave %s", came, next(leaves))

	client.ask("kill", map[string]string{"room": "room"})
	if !next(subscribed).Recovered {
		say("not recovered")
	}
	missed := []string{}
	for range 3 {
		missed = append(missed, string(next(publications).Data))
	}
	say("recovery: %s", strings.Join(missed, " "))
	history, err = room.History(ctx, centrifuge.WithHistoryLimit(10))
	check(err)
	say("history after it: %d", len(history.Publications))

	give := func(token string) func(centrifuge.ConnectionTokenEvent) (string, error) {
		return func(centrifuge.ConnectionTokenEvent) (string, error) { return token, nil }
	}
	expiring := connect("u3/1", give("u3/60"))
	expiring.untilRefreshed("1")
	say("refresh: true")
	secret, err := expiring.NewSubscription("$secret", centrifuge.SubscriptionConfig{
		Token:    "ok/1",
		GetToken: func(centrifuge.SubscriptionTokenEvent) (string, error) { return "ok/60", nil },
	})
	check(err)
	check(secret.Subscribe())
	expiring.untilRefreshed("2")
	say("subscription refresh: true")

	connect("expired", give("u4"))
	say("expired: connected with another token")
	say("invalid: %d", next(open("invalid", nil).disconnected))

	client.ask("unsubscribe", map[string]any{"room": "room", "code": 2000})
	say("unsubscribe %d: out", next(unsubscribed).Code)
	check(room.Subscribe())
	next(subscribed)
	client.ask("unsubscribe", map[string]any{"room": "room", "code": 2500})
	next(subscribed)
	say("unsubscribe 2500: back")

	for _, text := range strings.Split(os.Args[3], ",") {
		code, err := strconv.Atoi(text)
		check(err)
		one := connect("code"+text, nil)
		one.ask("disconnect", map[string]int{"code": code})
		select {
		case <-one.connected:
			say("disconnect %d: back", code)
		case <-one.disconnected:
			say("disconnect %d: gone", code)
		case <-time.After(10 * time.Second):
			say("disconnect %d: nothing", code)
		}
	}
}
