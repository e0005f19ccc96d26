//! Siemens S7: TPKT (RFC 1006), COTP (ISO 8073), S7comm and S7comm-plus.
