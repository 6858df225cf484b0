#pragma once
// Certificates of a self-made authority, for tests of TLS.

#include <kj/string.h>

namespace sandbridge {

// Writes DIR/ca.pem, and for each of these a key DIR/NAME.key and a certificate DIR/NAME.pem of that authority: `good` for
// 127.0.0.1, `other` for another host, `expired` for 127.0.0.1 until yesterday.
void writeCertificates(kj::StringPtr directory);

}  // namespace sandbridge
