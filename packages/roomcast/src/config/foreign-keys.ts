// Keys of Centrifugo that this server does not have. Whoever brings a file along is told of each, and goes on; a key that
// is in neither list is a mistake in writing. Names only, from the configuration of Centrifugo 6.

/** By section: its keys. `*`: whatever is below it. */
const SECTIONS: Readonly<Record<string, string>> = {
  '': 'pid_file enable_unreleased_features proxies consumers',
  http_server: 'internal_address internal_port tls_external h2c_external',
  'http_server.http3': 'enabled',
  'http_server.internal_tls': '*',
  'http_server.tls_autocert': '*',
  'http_server.tls': 'server_ca_pem insecure_skip_verify server_name',
  log: 'level file',
  client: `disallow_anonymous_connection_tokens presence_update_interval concurrency channel_position_check_delay
    channel_position_max_time_lag connection_rate_limit connect_include_server_time history_max_publication_limit
    recovery_max_publication_limit insecure_skip_token_signature_verify user_id_http_header`,
  'client.proxy': '*',
  'client.subscription_token': '*',
  'client.subscribe_to_user_personal_channel': '*',
  'client.connect_code_to_unidirectional_disconnect': '*',
  'client.token': `hmac_previous_secret_key hmac_previous_secret_key_valid_until audience_regex issuer_regex
    user_id_claim insecure_skip_jwks_endpoint_safety_check`,
  channel: 'max_length private_prefix namespace_boundary user_boundary user_separator',
  'channel.proxy': '*',
  rpc: '*',
  shared_poll: '*',
  websocket: `disabled handler_prefix compression compression_min_size compression_level read_buffer_size
    use_write_buffer_pool write_buffer_size write_timeout decompressed_message_size_limit`,
  sse: '*',
  http_stream: '*',
  webtransport: '*',
  uni_sse: '*',
  uni_http_stream: '*',
  uni_websocket: '*',
  uni_grpc: '*',
  emulation: '*',
  init: '*',
  http_api: 'disabled handler_prefix error_mode external insecure',
  grpc_api: '*',
  admin: 'enabled handler_prefix password secret insecure web_path web_proxy_address external',
  prometheus: 'enabled handler_prefix instrument_http_handlers recovered_publications_histogram native_histograms',
  health: 'enabled handler_prefix',
  swagger: 'enabled handler_prefix',
  debug: 'enabled handler_prefix',
  usage_stats: 'disabled',
  node: 'name info_metrics_aggregate_interval',
  graphite: 'enabled host port prefix interval tags',
  opentelemetry: 'enabled api consuming google_cloud_adc_auth',
  broker: '*',
  presence_manager: '*',
  map_broker: '*',
  controller: '*',
  'engine.redis': `connect_timeout io_timeout db client_name force_resp2 sentinel_client_name presence_ttl
    presence_hash_field_ttl presence_user_mapping history_use_lists sentinel_user sentinel_password`,
  'engine.redis.tls': 'client_ca_pem',
  'engine.redis.sentinel_tls': '*',
  'engine.redis.replica_client': '*',
}

/** Keys of a namespace. */
const OF_NAMESPACES = `map_clients_presence_channel_prefix map_users_presence_channel_prefix force_recovery_mode
  auto_cache_recover allowed_delta_types allow_tags_filter delta_publish subscribe_proxy_enabled subscribe_proxy_name
  publish_proxy_enabled publish_proxy_name sub_refresh_proxy_enabled sub_refresh_proxy_name
  subscribe_stream_proxy_enabled subscribe_stream_proxy_name subscribe_stream_proxy_bidirectional subscription_type
  map shared_poll`

const KEYS: ReadonlySet<string> = new Set(
  Object.entries(SECTIONS).flatMap(([section, keys]) =>
    words(keys).map((key) => (section === '' ? key : `${section}.${key}`)),
  ),
)

const NAMESPACE_KEYS: ReadonlySet<string> = new Set(words(OF_NAMESPACES))

function words(text: string): string[] {
  return text.trim().split(/\s+/)
}

/** Whether a key of the file is one of Centrifugo's that this server lacks. */
export function isForeign(path: string): boolean {
  if (KEYS.has(path)) return true
  const steps = path.split('.')
  return steps.some((_, depth) => KEYS.has(`${steps.slice(0, depth).join('.')}.*`))
}

/** Whether a key of a namespace is. */
export function isForeignInNamespace(key: string): boolean {
  return NAMESPACE_KEYS.has(key)
}
