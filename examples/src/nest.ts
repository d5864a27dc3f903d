// NestJS: an adapter gives gateways our sockets. Events are JSON, as with Nest's own adapter for ws: a client sends
// {"event":"echo","data":"hello"}, and gets what the handler returns.

import 'reflect-metadata'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Controller, Get, Module, type WebSocketAdapter } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { AbstractWsAdapter, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets'
import { type WebSocket, WebSocketServer, type WebSocketServerOptions } from '@roomcast/core/ws'
import { EMPTY, filter, fromEvent, mergeMap, type Observable, takeUntil } from 'rxjs'

type Handler = { message: string; callback(data: unknown): unknown }

class RoomcastAdapter extends AbstractWsAdapter implements WebSocketAdapter {
  /** What stands in `@WebSocketGateway`, beside the path, are options of ours: limits, `origin`. */
  create(_port: number, { path = '/', ...options }: { path?: string } & WebSocketServerOptions): WebSocketServer {
    const { cors, namespace, nsp, ...ours } = options as Record<string, unknown>
    return new WebSocketServer({ ...ours, server: this.httpServer as Server, pathname: path })
  }

  bindMessageHandlers(ws: WebSocket, handlers: Handler[], transform: (answer: unknown) => Observable<unknown>): void {
    fromEvent<{ data: string }>(ws as never, 'message')
      .pipe(
        mergeMap(({ data }) => {
          const { event, body } = readEvent(data)
          const handler = handlers.find(({ message }) => message === event)
          return handler === undefined ? EMPTY : transform(handler.callback(body))
        }),
        filter((answer) => answer !== undefined),
        takeUntil(fromEvent(ws as never, 'close')),
      )
      .subscribe((answer) => ws.send(JSON.stringify(answer)))
  }

  override bindClientDisconnect(ws: WebSocket, callback: () => void): void {
    ws.on('close', callback)
  }

  override close(sockets: WebSocketServer): Promise<void> {
    return sockets.close()
  }
}

/** A peer may send anything: what is no event has no handler. */
function readEvent(data: string): { event?: unknown; body?: unknown } {
  try {
    const { event, data: body } = JSON.parse(data)
    return { event, body }
  } catch {
    return {}
  }
}

@Controller()
class Pages {
  @Get('/')
  page(): string {
    return 'hello over HTTP'
  }
}

@WebSocketGateway({ path: '/ws' })
class EchoGateway {
  @SubscribeMessage('echo')
  echo(_ws: WebSocket, data: string): { event: string; data: string } {
    return { event: 'echo', data }
  }
}

@Module({ controllers: [Pages], providers: [EchoGateway] })
class App {}

const app = await NestFactory.create(App, { logger: ['error', 'warn'] })
// biome-ignore lint/correctness/useHookAtTopLevel: it is Nest's, and no hook of React.
app.useWebSocketAdapter(new RoomcastAdapter(app))
app.enableShutdownHooks()
await app.listen(Number(process.env.PORT ?? 4545))
console.log(`ws://localhost:${(app.getHttpServer().address() as AddressInfo).port}/ws`)
