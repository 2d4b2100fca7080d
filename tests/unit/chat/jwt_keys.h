/*
 * jwt_keys: keys for the tests, and tokens made with them. The keys are for
 * nothing else, and everybody knows them.
 */
#ifndef NATTER_TESTS_JWT_KEYS_H
#define NATTER_TESTS_JWT_KEYS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#define SECRET "0123456789abcdef0123456789abcdef"
#define SECRET_2 "fedcba9876543210fedcba9876543210"

static const char rsa_private[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIIEuwIBADANBgkqhkiG9w0BAQEFAASCBKUwggShAgEAAoIBAQCmc/h/pBUX01H4\n"
	"qYHPy0AhX3FwCwbh3FBoff4h3kGqX6/rHBEAqNZM4EzTHdELL7E3BmKyyF/3zyJd\n"
	"7hevTyFiWYZ7HqUp2DBs4hKtj0K1FqO4Ct9Xeg7j5JxICr8w7nMEn1aShKcaI4d6\n"
	"+B+eyrexDA2zf1Mr71dpPuReMZqbrhOAWH2MITrMapSMePN6vLVxfyodsC8fgVQx\n"
	"tH+mCBABeoxekHjFniD2eAZv3YG0w6gentpASvfx8vMMZU8qXxRYKseN41MZPcoZ\n"
	"ZdhLJDwczqaMpMkdwI2Kilsuc131fO8PzT1uocHwjPol/7jcUBt0ZNaMieuJOW1O\n"
	"hQlLB7LvAgMBAAECgf8fwFTRWaYBus29dpgh4HjbOi7pWzEfjxHHh5Zyih2nN5mB\n"
	"v64pR2Du89peayb1JfkoBeUjNWsZBOoJVjbZD2nO2O+jjLT0xnMg/KmTcesc9V9F\n"
	"kXgJDRTKDqcWbEu23xq8Rv4R9OaV6zEXbpKZjRHSiU9pGLXvgOMBBdOKJEGEcIwY\n"
	"Wlas70GGD2pTcwek0MsZ5IPnnyh+6AwpXqUbMVZh0PkFipr8Zx7MHB9oKGvbVHlr\n"
	"b2Zxs2AKbOnuxCvZD5+dY3kGhllJGY6MlNxez/4jKrGFgHJr/saYLpnzuhksFG6A\n"
	"Q085OYjS/fO3nCYZjOM0C/ztcCSTiuHJXv+55KkCgYEA2PuMaT55NQJnBSCI4Bdf\n"
	"UAmHOoi+3N5duuffiTHwRMX32WOPAAraTR5GwgOucQ9sXFHpnwPnglyR188DHY/h\n"
	"I/AbNX4mn2MjcqKNPmB+NUHc0H92/dS/TAWaI81fmf70/7QTe00lTwpCW/PH+V3R\n"
	"lxlXCrTPr18R1gQz5HkS1EkCgYEAxGJfNjq/+ObvyM9gqu1ZW1uikyfiI1TlVodt\n"
	"IWRX3u+QkOGX9YcsHe9zNzqoigQiAtiKfWXMYRib4lFoo3ZTRttUIq0FAZfKySP9\n"
	"xPs26Im57mcFxLIniZFkRKff86w0YyOpRwHaVO/DfaU5Uu1JSVxFlc6BEwY757HW\n"
	"Mynk3XcCgYBgVQ25i+r0BeUG+bLLCpVeS1ymOB/En1StrlQn7OvnHJ00/mZ2dlsE\n"
	"8fQoHspLl7VcJ2G5H1qhHcgCL/4KGd6yvd7WmPM8wB70vgZHMz/VFTCbwHtrphBo\n"
	"B/SvAHb5P6A2BhTAITf3J27etBSMOYLbunxSXIP4MBUTFzqSrM4XQQKBgDTnZ0zd\n"
	"oM+1rs0DCMCjNhpFYlOQP/xSp4Ga9Aw10vIsyV4uV9h99KWP1xL+y1565IqtuQk0\n"
	"/kz96yiZ072NZ7vD5DN/NsUKFkf/WSLSpiUYzSzrNgOaFsqZj1BrhQpIzsgSWEzX\n"
	"s/CDsr9LXlj3sXGA2QIVYnI0kLjHELQxygTbAoGBALt23UU1aoieIb7696Y0sMNM\n"
	"xZNE/sb7qJIZ3D0s3M02WvV7ViK4z7JH/gtabD9cDmZk2WxGdwhA57z1fPUEK7Tg\n"
	"3TYeI2NLlvdoVhgYwBt8IdUKwc7/MzfIsxZD2SbkJOPrDGWEyVcQ3xlNqdrMyGDr\n"
	"DarPQleTJjBhP4iWKH49\n"
	"-----END PRIVATE KEY-----\n";

static const char rsa_public[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEApnP4f6QVF9NR+KmBz8tA\n"
	"IV9xcAsG4dxQaH3+Id5Bql+v6xwRAKjWTOBM0x3RCy+xNwZisshf988iXe4Xr08h\n"
	"YlmGex6lKdgwbOISrY9CtRajuArfV3oO4+ScSAq/MO5zBJ9WkoSnGiOHevgfnsq3\n"
	"sQwNs39TK+9XaT7kXjGam64TgFh9jCE6zGqUjHjzery1cX8qHbAvH4FUMbR/pggQ\n"
	"AXqMXpB4xZ4g9ngGb92BtMOoHp7aQEr38fLzDGVPKl8UWCrHjeNTGT3KGWXYSyQ8\n"
	"HM6mjKTJHcCNiopbLnNd9XzvD809bqHB8Iz6Jf+43FAbdGTWjInriTltToUJSwey\n"
	"7wIDAQAB\n"
	"-----END PUBLIC KEY-----\n";

static const char ec_private[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgcajSuOXwG3vH7jNb\n"
	"O61RfdySVFYyI2RNtKRo4eyQPj2hRANCAARwBYtaNVZnXjMW0XNJ9lspH/rrxzRt\n"
	"rnRNzccJky7g4xtpxNOjd2xFpFKN+wnSlzr6+5WAG5G/8tn9UBtIgWn3\n"
	"-----END PRIVATE KEY-----\n";

static const char ec_public[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEcAWLWjVWZ14zFtFzSfZbKR/668c0\n"
	"ba50Tc3HCZMu4OMbacTTo3dsRaRSjfsJ0pc6+vuVgBuRv/LZ/VAbSIFp9w==\n"
	"-----END PUBLIC KEY-----\n";

static const char ec_other_private[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfSp6+OoYVeQJr0BA\n"
	"7ZOrV/MgWXbqrj+C2h0Vp6IfjEmhRANCAAQVuRoBWJzSbXdav3wZt/jU/jAPqqsx\n"
	"7jIt1/C8tnSj7p60HFxwAOgoM8fIN4Kcsn4BZz9r8+kyg9jFR5mk6l5K\n"
	"-----END PRIVATE KEY-----\n";

/* What must not be taken. */
static const char rsa_1024_public[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDUCA9aV8HIge2BOee04XMTOw84\n"
	"J8Y685lXSVpHu1Y5z1kOoxH7w+i2NBCVtfZ+kGedWzhZv0fL0kCcsyMAlNHjXa2K\n"
	"vMNGyUbdijiohmVFuR5Mruvxw+GZMfHRNwYywQThyLilV3K0Ltur9lXM3ZiHcBVd\n"
	"AzBlhquzEptbCmcP7QIDAQAB\n"
	"-----END PUBLIC KEY-----\n";

static const char ec_384_private[] =
	"-----BEGIN PRIVATE KEY-----\n"
	"MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDBXQtGTpV6U/9kPOn47\n"
	"Yc7qLlXRNaSWAeygibM1cFPlTJLbJnliUdmbgt9Is22vWq2hZANiAATaKV0MoSFz\n"
	"SG6HKU7KaQxkL4tO6r3DJaZNuI7/GdJuZGofmRpqzOdLNUBhEAOt6PzotXKPcw7x\n"
	"XRjC7IeST2QmbmnKjnsy+hiixZ3e9I4moQKPNLpOE2kSUti8tMMSlPc=\n"
	"-----END PRIVATE KEY-----\n";

static const char ec_384_public[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE2ildDKEhc0huhylOymkMZC+LTuq9wyWm\n"
	"TbiO/xnSbmRqH5kaasznSzVAYRADrej86LVyj3MO8V0YwuyHkk9kJm5pyo57MvoY\n"
	"osWd3vSOJqECjzS6ThNpElLYvLTDEpT3\n"
	"-----END PUBLIC KEY-----\n";

static const char ec_secp256k1_public[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEf46KJa760hOYbEJXsifVYUjVwcmVTUZB\n"
	"pUdJSDvUz1e1CDL3Hku86u8eSlnEIn/wDcQhMYBIeXisfWVKHF0X9w==\n"
	"-----END PUBLIC KEY-----\n";

static const char ed25519_public[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MCowBQYDK2VwAyEAiOiiv91I4BcQdhn2fcoUQQuFEgtKYNASmqRgsQr3BTs=\n"
	"-----END PUBLIC KEY-----\n";

/* LEN bytes as base64url behind what is in TO. */
static inline void put_base64url(char *to, const void *bytes, size_t len)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *b = bytes;
	unsigned bits = 0, n = 0;

	to += strlen(to);
	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | b[i];
		for (n += 8; n >= 6; n -= 6)
			*to++ = digits[bits >> (n - 6) & 63];
	}
	if (n)
		*to++ = digits[bits << (6 - n) & 63];
	*to = '\0';
}

/* ECDSA's DER to the two numbers of 32 bytes, RFC 7518 section 3.4. */
static inline size_t raw_signature(unsigned char *sig, unsigned size, size_t len)
{
	const unsigned char *p = sig;
	ECDSA_SIG *s = d2i_ECDSA_SIG(NULL, &p, (long)len);

	assert_non_null(s);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, (int)size), size);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + size, (int)size), size);
	ECDSA_SIG_free(s);
	return 2 * size;
}

/* SIG of TEXT with a key as PEM, by SHA-256; an elliptic curve's numbers have SIZE bytes. */
static inline size_t sign_pem(unsigned char *sig, size_t room, const char *text, const char *pem, unsigned size)
{
	BIO *bio = BIO_new_mem_buf(pem, -1);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	size_t len = room;

	assert_non_null(key);
	assert_int_equal(EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(md, sig, &len, (const unsigned char *)text, strlen(text)), 1);
	if (EVP_PKEY_base_id(key) == EVP_PKEY_EC)
		len = raw_signature(sig, size, len);
	EVP_MD_CTX_free(md);
	EVP_PKEY_free(key);
	BIO_free(bio);
	return len;
}

/* Adds its signature to TOKEN, "HEADER.CLAIMS": by a key as PEM, or by HMAC with the KEY's bytes. */
static inline void sign(char *token, const char *key, size_t key_len)
{
	unsigned char sig[1024];
	unsigned mac = 0;
	size_t len;

	if (strstr(key, "PRIVATE KEY"))
		len = sign_pem(sig, sizeof(sig), token, key, strcmp(key, ec_384_private) == 0 ? 48 : 32);
	else
		len = HMAC(EVP_sha256(), key, (int)key_len, (unsigned char *)token, strlen(token), sig, &mac) ? mac : 0;
	strcat(token, ".");
	put_base64url(token, sig, len);
}

/* A token of HEADER and CLAIMS, signed by KEY; until the next one is made. */
static inline char *token_of(const char *header, const char *claims, const char *key)
{
	static char token[65536];

	token[0] = '\0';
	put_base64url(token, header, strlen(header));
	strcat(token, ".");
	put_base64url(token, claims, strlen(claims));
	sign(token, key, strlen(key));
	return token;
}

#endif
