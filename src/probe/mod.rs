//! One probe: resolve, connect, tls, exchange.
