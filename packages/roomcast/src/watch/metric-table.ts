// Every metric in one table: its name, kind, labels, and what it says. The text of GET /metrics, the README and the
// dashboard follow it. Labels have few values: no name of a room or of a user is ever one of them.

/** A metric. */
export interface MetricRow {
  readonly kind: 'gauge' | 'counter' | 'histogram'
  readonly labels?: readonly string[]
  readonly help: string
  /** Of a histogram. */
  readonly buckets?: readonly number[]
}

const SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3]

/** The metrics, by name. */
export const METRICS: Readonly<Record<string, MetricRow>> = {
  roomcast_info: { kind: 'gauge', labels: ['version'], help: 'Always 1; the version is the label.' },
  roomcast_status: {
    kind: 'gauge',
    labels: ['status'],
    help: '1 for what the server is, else 0: ready, draining, connecting (Redis not reached yet), degraded (Redis lost).',
  },
  roomcast_uptime_seconds: { kind: 'gauge', help: 'Since the server was made.' },
  roomcast_sockets: { kind: 'gauge', help: 'Open WebSockets.' },
  roomcast_clients: { kind: 'gauge', help: 'Clients that are connected, as rooms know them.' },
  roomcast_rooms: { kind: 'gauge', help: 'Rooms with a member on this server.' },
  roomcast_members: { kind: 'gauge', help: 'Places in rooms that clients of this server have.' },
  roomcast_handshakes_pending: { kind: 'gauge', help: 'Opening handshakes that wait for a decision.' },
  roomcast_handshakes_total: {
    kind: 'counter',
    labels: ['outcome'],
    help: 'Opening handshakes: accepted, or refused with an HTTP status.',
  },
  roomcast_refusals_total: {
    kind: 'counter',
    labels: ['reason'],
    help: 'Everything that was refused, by the reason that the log line has too.',
  },
  roomcast_messages_received_total: { kind: 'counter', help: 'WebSocket messages from clients.' },
  roomcast_messages_sent_total: { kind: 'counter', help: 'WebSocket messages accepted for clients.' },
  roomcast_received_bytes_total: { kind: 'counter', help: 'Bytes of WebSocket frames from clients.' },
  roomcast_sent_bytes_total: {
    kind: 'counter',
    help: 'Bytes handed to the kernel for WebSockets: frames, and the answers that open them.',
  },
  roomcast_closes_total: {
    kind: 'counter',
    labels: ['code', 'by'],
    help: 'WebSockets that ended, by close code (other: one of an application) and by peer, server or network.',
  },
  roomcast_limits_hit_total: {
    kind: 'counter',
    labels: ['limit'],
    help: 'How often a limit of a socket or of all was hit.',
  },
  roomcast_fanout_members: {
    kind: 'histogram',
    labels: ['namespace'],
    help: 'Publications that members of this server were sent, by how many members: one, whichever way it came.',
    buckets: [1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000],
  },
  roomcast_queued_bytes: { kind: 'gauge', help: 'Bytes for open sockets that the kernel has not taken.' },
  roomcast_queued_sockets: { kind: 'gauge', help: 'Sockets that such bytes wait for.' },
  roomcast_queued_oldest_seconds: {
    kind: 'gauge',
    help: 'How long the longest of them has had some waiting; looked at once a second.',
  },
  roomcast_waiting_publications: {
    kind: 'gauge',
    help: 'Publications that wait until members of their room have room.',
  },
  roomcast_waiting_bytes: { kind: 'gauge', help: 'Bytes of these.' },
  roomcast_waiting_oldest_seconds: { kind: 'gauge', help: 'How long the oldest of them has waited.' },
  roomcast_gaps_total: {
    kind: 'counter',
    labels: ['namespace'],
    help: 'Gaps in rooms without history: members missed messages of other servers, or may have.',
  },
  roomcast_store_status: {
    kind: 'gauge',
    labels: ['status'],
    help: '1 for what the store is, else 0: connecting, ready, degraded, closed. The one in memory is always ready.',
  },
  roomcast_store_call_seconds: {
    kind: 'histogram',
    labels: ['call'],
    help: 'How long calls to the store took.',
    buckets: SECONDS,
  },
  roomcast_store_errors_total: { kind: 'counter', labels: ['call'], help: 'Calls to the store that failed.' },
  roomcast_store_pending_calls: { kind: 'gauge', help: 'Calls that the store has not answered.' },
  roomcast_store_lag_seconds: { kind: 'gauge', help: 'How long the oldest of them has waited.' },
  roomcast_bus_messages_total: {
    kind: 'counter',
    labels: ['fate'],
    help: 'Messages between servers but publications that are kept: published, received, delivered, echoes (own), dropped (lost here), invalid.',
  },
  roomcast_bus_gaps_total: {
    kind: 'counter',
    help: 'Gaps that the bus reported, in all rooms: those with history read again what they missed.',
  },
  roomcast_bus_forgotten_positions_total: {
    kind: 'counter',
    help: 'Positions in what other servers say that made room for others: a gap meanwhile may be unreported.',
  },
  roomcast_bus_reconnects_total: { kind: 'counter', help: 'How often Redis was connected to anew.' },
  roomcast_bus_queued_messages: { kind: 'gauge', help: 'Messages to other servers that Redis has not answered.' },
  roomcast_http_requests_total: {
    kind: 'counter',
    labels: ['route', 'status'],
    help: 'HTTP requests that were answered, those of handshakes not; page: every path that is none of the others.',
  },
  roomcast_api_calls_total: {
    kind: 'counter',
    labels: ['method', 'code'],
    help: 'Calls of the HTTP API: ok, the code of an error, or the HTTP status; each room of a broadcast, each command of a batch.',
  },
  roomcast_event_loop_delay_seconds: {
    kind: 'histogram',
    help: 'How late the event loop was, 50 times a second, from the first scrape to two minutes after the last.',
    buckets: [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10],
  },
  roomcast_event_loop_active_seconds_total: {
    kind: 'counter',
    help: 'Time in which the event loop of the process was busy: its rate is the share, 0 to 1.',
  },
  process_resident_memory_bytes: { kind: 'gauge', help: 'Memory of the process.' },
  process_cpu_seconds_total: { kind: 'counter', help: 'CPU time of the process, user and system.' },
  process_start_time_seconds: { kind: 'gauge', help: 'When the process started, in Unix seconds.' },
  nodejs_heap_used_bytes: { kind: 'gauge', help: 'Heap in use.' },
}
