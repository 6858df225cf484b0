#include "net/certificates.h"

#include <kj/debug.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <stdio.h>

namespace sandbridge {
namespace {

constexpr long DAY = 24 * 60 * 60;

struct Identity {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;

  Identity() = default;
  Identity(Identity&& other) : key(other.key), certificate(other.certificate) {
    other.key = nullptr;
    other.certificate = nullptr;
  }
  ~Identity() {
    EVP_PKEY_free(key);
    X509_free(certificate);
  }
};

void extend(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  auto extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value);
  KJ_ASSERT(extension != nullptr, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Without an issuer it is an authority, else a server with these names.
Identity make(const char* name, const Identity* issuer, const char* names, long from, long until) {
  Identity made;
  made.key = EVP_EC_gen("P-256");
  made.certificate = X509_new();
  auto certificate = made.certificate;
  KJ_ASSERT(made.key != nullptr && certificate != nullptr);
  X509_set_version(certificate, 2);
  static long serial = 1;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate), from);
  X509_gmtime_adj(X509_getm_notAfter(certificate), until);
  X509_set_pubkey(certificate, made.key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  auto signer = issuer == nullptr ? &made : issuer;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer->certificate));
  extend(certificate, signer->certificate, NID_basic_constraints,
         issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (names != nullptr) extend(certificate, signer->certificate, NID_subject_alt_name, names);
  KJ_ASSERT(X509_sign(certificate, signer->key, EVP_sha256()) > 0);
  return made;
}

template <typename Write>
void toFile(kj::StringPtr path, Write&& write) {
  auto file = fopen(path.cStr(), "we");
  KJ_ASSERT(file != nullptr, path);
  KJ_ASSERT(write(file) == 1, path);
  KJ_ASSERT(fclose(file) == 0, path);
}

}  // namespace

void writeCertificates(kj::StringPtr directory) {
  auto authority = make("sandbridge test authority", nullptr, nullptr, -2 * DAY, DAY);
  toFile(kj::str(directory, "/ca.pem"),
         [&](FILE* file) { return PEM_write_X509(file, authority.certificate); });
  struct { const char* name; const char* names; long until; } const servers[] = {
      {"good", "IP:127.0.0.1", DAY}, {"other", "DNS:other.example", DAY}, {"expired", "IP:127.0.0.1", -DAY}};
  for (auto& server : servers) {
    auto made = make(server.name, &authority, server.names, -2 * DAY, server.until);
    toFile(kj::str(directory, "/", server.name, ".pem"),
           [&](FILE* file) { return PEM_write_X509(file, made.certificate); });
    toFile(kj::str(directory, "/", server.name, ".key"), [&](FILE* file) {
      return PEM_write_PrivateKey(file, made.key, nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
}

}  // namespace sandbridge
