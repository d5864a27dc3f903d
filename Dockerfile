# The server, built from this repository. It listens on all addresses, so it asks for a decision over who may connect, such as
#   docker run -p 4545:4545 -e ROOMCAST_INSECURE=true roomcast
# The commands are in it, too: `docker exec NAME roomcast top`. It writes nothing: --read-only --cap-drop ALL.
FROM node:24-slim AS build
WORKDIR /src
COPY . .
RUN npx --yes pnpm@12 install --frozen-lockfile --filter roomcast... --filter roomcast-workspace
RUN npx --yes pnpm@12 exec tsc -b packages/roomcast
RUN npx --yes pnpm@12 --filter roomcast deploy --prod --legacy /app
# What is only read by people or by compilers stays behind: sources, types, and the maps between both and what runs.
RUN rm -rf /app/src /app/node_modules/@roomcast/*/src && \
  find -L /app/dist /app/node_modules/@roomcast/*/dist ! -name '*.js' -type f -delete && \
  cp LICENSE /app/ && mkdir /app/bin && ln -s ../dist/cli.js /app/bin/roomcast && chmod 755 /app/dist/cli.js

FROM node:24-slim
ENV NODE_ENV=production PATH=/app/bin:$PATH
WORKDIR /app
COPY --from=build --chown=root:root /app .
USER node
EXPOSE 4545
# With TLS it answers https alone; whose certificate that is does not matter to the server itself. Where the certificate does not
# come by its variable this asks by http first, which the server logs as a client with the wrong address.
HEALTHCHECK --interval=10s --timeout=3s CMD ["node", "-e", "const ways = process.env.ROOMCAST_TLS_CERT ? [https, http] : [http, https]; const ask = (way) => way.get({ host: '127.0.0.1', port: 4545, path: '/healthz', rejectUnauthorized: false }, (r) => process.exit(r.statusCode === 200 ? 0 : 1)); ask(ways[0]).on('error', () => ask(ways[1]).on('error', () => process.exit(1)))"]
# The program itself, not npx: a signal must reach it.
ENTRYPOINT ["node", "dist/cli.js", "--host", "0.0.0.0", "--port", "4545"]
