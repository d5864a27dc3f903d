// Clients of Jetty and Netty with permessage-deflate as they come: each sends every message of a list twice, expects it
// back as it was, and prints what the server answered about the extension.
//   java -cp 'FOLDER/*' EchoClient.java jetty|netty ws://HOST:PORT/

import io.netty.bootstrap.Bootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.SimpleChannelInboundHandler;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.handler.codec.http.FullHttpResponse;
import io.netty.handler.codec.http.HttpClientCodec;
import io.netty.handler.codec.http.HttpObjectAggregator;
import io.netty.handler.codec.http.websocketx.CloseWebSocketFrame;
import io.netty.handler.codec.http.websocketx.TextWebSocketFrame;
import io.netty.handler.codec.http.websocketx.WebSocketClientProtocolConfig;
import io.netty.handler.codec.http.websocketx.WebSocketClientProtocolHandler;
import io.netty.handler.codec.http.websocketx.WebSocketClientProtocolHandler.ClientHandshakeStateEvent;
import io.netty.handler.codec.http.websocketx.WebSocketFrameAggregator;
import io.netty.handler.codec.http.websocketx.extensions.compression.WebSocketClientCompressionHandler;
import java.net.URI;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.eclipse.jetty.websocket.api.Callback;
import org.eclipse.jetty.websocket.api.Session;
import org.eclipse.jetty.websocket.client.ClientUpgradeRequest;
import org.eclipse.jetty.websocket.client.WebSocketClient;

public final class EchoClient {
  static final int MIB = 1024 * 1024;

  /** One connection: how to send a text on it, and how to close it with 1000. */
  interface Connection {
    String extensions();

    void send(String text);

    void close() throws Exception;
  }

  /** What came back; anything that went wrong, in words. */
  static final BlockingQueue<String> received = new LinkedBlockingQueue<>();

  public static void main(String[] args) {
    try {
      run(args[0], URI.create(args[1]));
      System.exit(0);
    } catch (Throwable error) {
      // Threads of the client would keep the process alive.
      error.printStackTrace();
      System.exit(1);
    }
  }

  static void run(String name, URI uri) throws Exception {
    Connection connection = name.equals("jetty") ? jetty(uri) : netty(uri);
    List<String> messages = new ArrayList<>(List.of("short", "", "", "leto atreides ".repeat(400)));
    messages.addAll(List.of("ümläut 🙂 ".repeat(2000), "x".repeat(300_000), "short"));
    for (int round = 0; round < 2; round++) {
      for (String message : messages) {
        connection.send(message);
        String back = received.poll(10, TimeUnit.SECONDS);
        if (!message.equals(back)) throw new IllegalStateException(start(message) + " came back as " + start(back));
      }
    }
    System.out.println(connection.extensions());
    connection.close();
  }

  static String start(String text) {
    return text == null || text.length() < 100 ? "«" + text + "»" : "«" + text.substring(0, 100) + "…";
  }

  /** Jetty calls only what is public. */
  public static final class JettyListener implements Session.Listener.AutoDemanding {
    final CompletableFuture<Integer> closed = new CompletableFuture<>();

    @Override
    public void onWebSocketText(String text) {
      received.add(text);
    }

    @Override
    public void onWebSocketError(Throwable cause) {
      received.add(cause.toString());
    }

    @Override
    public void onWebSocketClose(int code, String reason, Callback callback) {
      closed.complete(code);
      received.add("closed with " + code + " " + reason);
      callback.succeed();
    }
  }

  static Connection jetty(URI uri) throws Exception {
    WebSocketClient client = new WebSocketClient();
    client.start();
    ClientUpgradeRequest request = new ClientUpgradeRequest(uri);
    request.addExtensions("permessage-deflate");
    JettyListener listener = new JettyListener();
    Session session = client.connect(listener, request).get(10, TimeUnit.SECONDS);
    session.setMaxTextMessageSize(MIB);
    return new Connection() {
      @Override
      public String extensions() {
        return session.getUpgradeResponse().getHeader("Sec-WebSocket-Extensions");
      }

      @Override
      public void send(String text) {
        session.sendText(text, Callback.NOOP);
      }

      @Override
      public void close() throws Exception {
        session.close(1000, "", Callback.NOOP);
        listener.closed.get(5, TimeUnit.SECONDS);
      }
    };
  }

  static Connection netty(URI uri) throws Exception {
    CompletableFuture<String> extensions = new CompletableFuture<>();
    CompletableFuture<Void> open = new CompletableFuture<>();
    WebSocketClientProtocolConfig config = WebSocketClientProtocolConfig.newBuilder()
        .webSocketUri(uri).allowExtensions(true).maxFramePayloadLength(MIB).build();
    ChannelInboundHandlerAdapter answer = new ChannelInboundHandlerAdapter() {
      @Override
      public void channelRead(ChannelHandlerContext context, Object message) {
        if (message instanceof FullHttpResponse response) {
          extensions.complete(response.headers().get("Sec-WebSocket-Extensions", "none"));
        }
        context.fireChannelRead(message);
      }
    };
    SimpleChannelInboundHandler<TextWebSocketFrame> texts = new SimpleChannelInboundHandler<>() {
      @Override
      protected void channelRead0(ChannelHandlerContext context, TextWebSocketFrame frame) {
        received.add(frame.text());
      }

      @Override
      public void userEventTriggered(ChannelHandlerContext context, Object event) {
        if (event == ClientHandshakeStateEvent.HANDSHAKE_COMPLETE) open.complete(null);
      }

      @Override
      public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
        open.completeExceptionally(cause);
        received.add(cause.toString());
      }

      @Override
      public void channelInactive(ChannelHandlerContext context) {
        received.add("closed");
      }
    };
    Bootstrap bootstrap = new Bootstrap()
        .group(new MultiThreadIoEventLoopGroup(1, NioIoHandler.newFactory()))
        .channel(NioSocketChannel.class)
        .handler(new ChannelInitializer<Channel>() {
          @Override
          protected void initChannel(Channel channel) {
            channel.pipeline().addLast(
                new HttpClientCodec(), new HttpObjectAggregator(65536), answer,
                new WebSocketClientCompressionHandler(MIB), new WebSocketClientProtocolHandler(config),
                new WebSocketFrameAggregator(MIB), texts);
          }
        });
    Channel channel = bootstrap.connect(uri.getHost(), uri.getPort()).sync().channel();
    open.get(10, TimeUnit.SECONDS);
    return new Connection() {
      @Override
      public String extensions() {
        return extensions.join();
      }

      @Override
      public void send(String text) {
        channel.writeAndFlush(new TextWebSocketFrame(text));
      }

      @Override
      public void close() throws Exception {
        channel.writeAndFlush(new CloseWebSocketFrame(1000, "")).sync();
        channel.closeFuture().await(5, TimeUnit.SECONDS);
      }
    };
  }
}
