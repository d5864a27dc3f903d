// NestJS: an adapter of our own, and a gateway as Nest's users write it (its decorators called by hand: the tests are
// compiled without them; the example has them as they are).

import 'reflect-metadata'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Controller, Get, type INestApplication, Module, type WebSocketAdapter } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { AbstractWsAdapter, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets'
import { type WebSocket, WebSocketServer } from '@roomcast/core/ws'
import { EMPTY, filter, fromEvent, mergeMap, type Observable, takeUntil } from 'rxjs'
import { Log } from '../../../support/log.ts'
import type { Framework } from './framework.ts'

interface Handlers {
  message: string
  callback(data: unknown): unknown
}

class RoomcastAdapter extends AbstractWsAdapter implements WebSocketAdapter {
  create(_port: number, { path }: { path: string }): WebSocketServer {
    return new WebSocketServer({ server: this.httpServer as Server, pathname: path })
  }

  bindMessageHandlers(ws: WebSocket, handlers: Handlers[], transform: (data: unknown) => Observable<unknown>): void {
    fromEvent<{ data: string }>(ws as never, 'message')
      .pipe(
        mergeMap(({ data }) => {
          const { event, data: body } = JSON.parse(data)
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

  override close(wss: WebSocketServer): Promise<void> {
    return wss.close()
  }
}

class Pages {
  page(): string {
    return 'page'
  }
}

class EchoGateway {
  say(ws: WebSocket, text: string): { event: string; data: string } | undefined {
    if (text === 'enough') return void ws.close(4002, 'enough')
    return { event: 'say', data: text }
  }

  handleConnection(ws: WebSocket): void {
    ws.on('close', (code, reason) => log.push(`${code} ${reason}`))
  }
}

let log = new Log<string>('closed')

class App {}

function decorate(target: object, name: string, ...decorators: MethodDecorator[]): void {
  const descriptor = Object.getOwnPropertyDescriptor(target, name)!
  for (const one of decorators) one(target, name, descriptor)
}
Controller()(Pages)
decorate(Pages.prototype, 'page', Get('/'))
WebSocketGateway({ path: '/ws' })(EchoGateway)
decorate(EchoGateway.prototype, 'say', SubscribeMessage('say'))
Module({ controllers: [Pages], providers: [EchoGateway] })(App)

export const nest: Framework = {
  name: '@nestjs/websockets 12',
  how: '`app.useWebSocketAdapter(…)`: an adapter of thirty lines, in the example',
  words: {
    encode: (data) => JSON.stringify({ event: 'say', data }),
    decode: (text) => JSON.parse(text).data,
  },
  async start() {
    const closed = (log = new Log('closed'))
    const app: INestApplication = await NestFactory.create(App, { logger: ['error', 'warn'] })
    app.useWebSocketAdapter(new RoomcastAdapter(app))
    await app.listen(0, '127.0.0.1')
    return { port: (app.getHttpServer().address() as AddressInfo).port, closed, stop: () => app.close() }
  },
}
