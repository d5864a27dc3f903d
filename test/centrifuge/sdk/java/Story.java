// The story, told with centrifuge-java, which speaks Protobuf alone: java Story.java URL protobuf CODE,CODE,…

import static java.nio.charset.StandardCharsets.UTF_8;

import io.github.centrifugal.centrifuge.*;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.*;
import java.util.stream.Collectors;

public class Story {
  static void say(String line) {
    System.out.println(line);
  }

  static byte[] bytes(String text) {
    return text.getBytes(UTF_8);
  }

  static String text(byte[] bytes) {
    return new String(bytes, UTF_8);
  }

  /** Waits for the next event of a kind, also one that came before. */
  static <T> T next(BlockingQueue<T> events) throws Exception {
    T event = events.poll(10, TimeUnit.SECONDS);
    if (event == null) throw new TimeoutException("no event within 10 s");
    return event;
  }

  interface Call<T> {
    void with(ResultCallback<T> callback);
  }

  static <T> T result(Call<T> call) throws Exception {
    CompletableFuture<T> future = new CompletableFuture<>();
    call.with((error, value) -> {
      if (error != null) future.completeExceptionally(error);
      else future.complete(value);
    });
    return future.get(10, TimeUnit.SECONDS);
  }

  static class Person extends EventListener {
    final BlockingQueue<Integer> connecting = new LinkedBlockingQueue<>();
    final BlockingQueue<Boolean> connected = new LinkedBlockingQueue<>();
    final BlockingQueue<Integer> disconnected = new LinkedBlockingQueue<>();
    final BlockingQueue<String> messages = new LinkedBlockingQueue<>();
    final Client client;

    Person(String url, String token, String nextToken) {
      Options options = new Options();
      options.setToken(token);
      options.setMinReconnectDelay(10);
      options.setMaxReconnectDelay(50);
      options.setTokenGetter(new ConnectionTokenGetter() {
        @Override
        public void getConnectionToken(ConnectionTokenEvent event, TokenCallback callback) {
          callback.Done(null, nextToken);
        }
      });
      client = new Client(url, options, this);
      client.connect();
    }

    @Override
    public void onConnecting(Client by, ConnectingEvent event) {
      connecting.add(event.getCode());
    }

    @Override
    public void onConnected(Client by, ConnectedEvent event) {
      connected.add(true);
    }

    @Override
    public void onDisconnected(Client by, DisconnectedEvent event) {
      disconnected.add(event.getCode());
    }

    @Override
    public void onMessage(Client by, MessageEvent event) {
      messages.add(text(event.getData()));
    }

    String ask(String method, String json) throws Exception {
      return text(Story.<RPCResult>result(callback -> client.rpc(method, bytes(json), callback)).getData());
    }

    void untilRefreshed(String times) throws Exception {
      while (!ask("refreshes", "{}").equals(times)) Thread.sleep(50);
    }
  }

  static class Events extends SubscriptionEventListener {
    final BlockingQueue<SubscribedEvent> subscribed = new LinkedBlockingQueue<>();
    final BlockingQueue<UnsubscribedEvent> unsubscribed = new LinkedBlockingQueue<>();
    final BlockingQueue<PublicationEvent> publications = new LinkedBlockingQueue<>();
    final BlockingQueue<String> joins = new LinkedBlockingQueue<>();
    final BlockingQueue<String> leaves = new LinkedBlockingQueue<>();

    @Override
    public void onSubscribed(Subscription sub, SubscribedEvent event) {
      subscribed.add(event);
    }

    @Override
    public void onUnsubscribed(Subscription sub, UnsubscribedEvent event) {
      unsubscribed.add(event);
    }

    @Override
    public void onPublication(Subscription sub, PublicationEvent event) {
      publications.add(event);
    }

    @Override
    public void onJoin(Subscription sub, JoinEvent event) {
      joins.add(event.getInfo().getUser());
    }

    @Override
    public void onLeave(Subscription sub, LeaveEvent event) {
      leaves.add(event.getInfo().getUser());
    }
  }

  public static void main(String[] args) throws Exception {
    String url = args[0];
    Person person = connected(url, "u1", "u1");
    say("connect: connected");
    Events events = new Events();
    SubscriptionOptions options = new SubscriptionOptions();
    options.setRecoverable(true);
    options.setJoinLeave(true);
    Subscription room = person.client.newSubscription("room", options, events);
    room.subscribe();
    next(events.subscribed);
    say("subscribe: subscribed");
    say("join: " + next(events.joins));

    Story.<PublishResult>result(callback -> room.publish(bytes("{\"n\":1}"), callback));
    PublicationEvent said = next(events.publications);
    say("publish: " + text(said.getData()) + " of " + said.getInfo().getUser() + " at " + said.getOffset());
    PresenceResult presence = result(room::presence);
    PresenceStatsResult stats = result(room::presenceStats);
    String users = presence.getClients().values().stream().map(ClientInfo::getUser).collect(Collectors.joining(","));
    say("presence: " + users + "; " + stats.getNumClients() + " clients, " + stats.getNumUsers() + " users");
    say("history: " + history(room).stream().map(one -> text(one.getData())).collect(Collectors.joining(",")));
    say("rpc: " + person.ask("echo", "{\"hello\":1}"));
    person.client.send(bytes("{\"sent\":1}"), error -> {});
    say("send: " + next(person.messages));

    Person other = connected(url, "u2", "u2");
    Subscription visit = other.client.newSubscription("room", new Events());
    visit.subscribe();
    String came = next(events.joins);
    other.client.disconnect();
    say("others: join " + came + ", leave " + next(events.leaves));

    person.ask("kill", "{\"room\":\"room\"}");
    if (!next(events.subscribed).getRecovered()) say("not recovered");
    List<String> missed = new ArrayList<>();
    for (int i = 0; i < 3; i++) missed.add(text(next(events.publications).getData()));
    say("recovery: " + String.join(" ", missed));
    say("history after it: " + history(room).size());

    Person expiring = connected(url, "u3/1", "u3/60");
    expiring.untilRefreshed("1");
    say("refresh: true");
    SubscriptionOptions withToken = new SubscriptionOptions();
    withToken.setToken("ok/1");
    withToken.setTokenGetter(new SubscriptionTokenGetter() {
      @Override
      public void getSubscriptionToken(SubscriptionTokenEvent event, TokenCallback callback) {
        callback.Done(null, "ok/60");
      }
    });
    expiring.client.newSubscription("$secret", withToken, new Events()).subscribe();
    expiring.untilRefreshed("2");
    say("subscription refresh: true");

    connected(url, "expired", "u4");
    say("expired: connected with another token");
    say("invalid: " + next(new Person(url, "invalid", "invalid").disconnected));

    person.ask("unsubscribe", "{\"room\":\"room\",\"code\":2000}");
    say("unsubscribe " + next(events.unsubscribed).getCode() + ": out");
    room.subscribe();
    next(events.subscribed);
    person.ask("unsubscribe", "{\"room\":\"room\",\"code\":2500}");
    next(events.subscribed);
    say("unsubscribe 2500: back");

    for (String code : args[2].split(",")) {
      Person one = connected(url, "code" + code, "code" + code);
      next(one.connecting);
      one.ask("disconnect", "{\"code\":" + code + "}");
      String end = "";
      for (int i = 0; i < 1000 && end.isEmpty(); i++) {
        if (!one.connected.isEmpty()) end = "back";
        else if (!one.disconnected.isEmpty()) end = "gone";
        else Thread.sleep(10);
      }
      say("disconnect " + code + ": " + end);
    }
    System.exit(0);
  }

  static Person connected(String url, String token, String nextToken) throws Exception {
    Person person = new Person(url, token, nextToken);
    next(person.connected);
    return person;
  }

  static List<Publication> history(Subscription room) throws Exception {
    HistoryOptions ten = new HistoryOptions.Builder().withLimit(10).build();
    return Story.<HistoryResult>result(callback -> room.history(ten, callback)).getPublications();
  }
}
