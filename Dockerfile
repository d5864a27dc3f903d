# The server, built from this repository. It listens on all addresses, so it asks for a decision over who may connect, such as
#   docker run -p 4545:4545 -e ROOMCAST_INSECURE=true roomcast
FROM node:24-slim AS build
WORKDIR /src
COPY . .
RUN npx --yes pnpm@12 install --frozen-lockfile --filter roomcast... --filter roomcast-workspace
RUN npx --yes pnpm@12 exec tsc -b packages/roomcast
RUN npx --yes pnpm@12 --filter roomcast deploy --prod --legacy /app

FROM node:24-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build --chown=root:root /app .
USER node
EXPOSE 4545
HEALTHCHECK --interval=10s --timeout=3s CMD ["node", "-e", "fetch('http://127.0.0.1:4545/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# The program itself, not npx: a signal must reach it.
ENTRYPOINT ["node", "dist/cli.js", "--host", "0.0.0.0", "--port", "4545"]
