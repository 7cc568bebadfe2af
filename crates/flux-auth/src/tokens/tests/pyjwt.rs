//! Tokens and keys that PyJWT 2.15.1 made: `sub` is meter-7, from 1,700,000,000 to 1,700,003,600.

pub(super) const HS256_KEY: &str = "0123456789abcdef0123456789abcdef";

/// Signed with the key above.
pub(super) const HS256: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJtZXRlci03IiwiaXNzIjoiaHR0cHM6Ly9pZHAuZXhhbXBsZSIsImF1ZCI6WyJmbHV4Iiwib3RoZXIiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwicm9sZXMiOlsiZGV2aWNlIl0sInNpdGUiOiJiZXJsaW4ifQ.pKfkM6xGTZpKdnmskz_QMsfgx2XVDq1gtST_bwoH2QA";

pub(super) const RS256_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArx+UEl4FCMgFwNxsYjI5\nh39OSa1K3TCAb6ug1HK4hQgmasJceDN3XV4xjv/KnrxdhTsQZy5wISNo6ddIfAJQ\njz6Fxa/zzufdOysvRGgQnygVfpaFw16kEiU6Y2mHQCGWznqEAEPzqj7s2w7kufvc\ngSaZwQpJF15EIeMPZyaOr09ch+7gNDgEHNPnvBFaxGzE38FwBvOfeGyMckBBvTHC\nYnKsUNFMYfyk9r3kHkrmleO57eQq/aAaSfwz/wmY4+X4gFAg1U5VVFiCTpISYJjo\nSkafbKsfj49MDpisALyAIWC1lOGFOQxt7DV5/EqJ8wmEsw9L2bLOSG4sd0t9fmjs\nhQIDAQAB\n-----END PUBLIC KEY-----\n";

/// Signed with the key above.
pub(super) const RS256: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InJzMjU2IiwidHlwIjoiSldUIn0.eyJzdWIiOiJtZXRlci03IiwiaXNzIjoiaHR0cHM6Ly9pZHAuZXhhbXBsZSIsImF1ZCI6WyJmbHV4Iiwib3RoZXIiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwicm9sZXMiOlsiZGV2aWNlIl0sInNpdGUiOiJiZXJsaW4ifQ.Npgc6EustfelXQDtkC6FJnxQJTz5s4ycrCGVHgPareo_P84zOJYvMSnnZhKzMpMit3LVfqSPucX9wspmURWlz_dDCTsoKRv5ucobJbE4_7LJWVhuCBClRwPWl1nuK9yAW67-vcwT49WamxP5OYF0vTAbHK6CrQESYFHNJj3BVS_4G0ohPcG6IXkY86ucwv_aPRGOkKcOzS8rHxUZXco-5tc7OnyMS0Va0EkVVTvi4APFAOf7W_EgJ86G07R_c--PQjCpIf3T_8iyACI56isSr8z2D_0Eh_pnic27CxJoOFE0XCcagucgc-Zr9fgfLVwWbjfYVEq8xLlDl-oIAz-zxA";

pub(super) const ES256_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEHF4thhL3TPPsN6vbjjEi0Hhbn89X\numVoGoDK2qLDy0HStdqv9FQos/x7O8Z5B5zD9mmamnJgTqr+uAwcmcO56w==\n-----END PUBLIC KEY-----\n";

/// Signed with the key above.
pub(super) const ES256: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImVzMjU2IiwidHlwIjoiSldUIn0.eyJzdWIiOiJtZXRlci03IiwiaXNzIjoiaHR0cHM6Ly9pZHAuZXhhbXBsZSIsImF1ZCI6WyJmbHV4Iiwib3RoZXIiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwicm9sZXMiOlsiZGV2aWNlIl0sInNpdGUiOiJiZXJsaW4ifQ.ixSqjepPyqO82TnkDliYEyLxfP5Xzx0uVGXEtI3uexoVVecgj4fpnqfD3FJaQyU-KsD1HGAyigHvd3gT_pwuUQ";

pub(super) const EDDSA_KEY: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAez5ujqNhnbY0wJH4kIadZ/t7bdKafBKjTnvh7R0jWck=\n-----END PUBLIC KEY-----\n";

/// Signed with the key above.
pub(super) const EDDSA: &str = "eyJhbGciOiJFZERTQSIsImtpZCI6ImVkZHNhIiwidHlwIjoiSldUIn0.eyJzdWIiOiJtZXRlci03IiwiaXNzIjoiaHR0cHM6Ly9pZHAuZXhhbXBsZSIsImF1ZCI6WyJmbHV4Iiwib3RoZXIiXSwiaWF0IjoxNzAwMDAwMDAwLCJuYmYiOjE3MDAwMDAwMDAsImV4cCI6MTcwMDAwMzYwMCwicm9sZXMiOlsiZGV2aWNlIl0sInNpdGUiOiJiZXJsaW4ifQ.ulWT1mR2_jS9BUsadiLIKxAEl9q6jHr4dhcptmpEWdJ4XJwJS_RhDDOiHW_kfTSCbEwk9PTaFCyG58WGUaVIDg";

/// HS256 with the text of the RSA key as the secret.
pub(super) const CONFUSED: &str = "eyJhbGciOiAiSFMyNTYiLCAidHlwIjogIkpXVCJ9.eyJzdWIiOiAibWV0ZXItNyIsICJpc3MiOiAiaHR0cHM6Ly9pZHAuZXhhbXBsZSIsICJhdWQiOiBbImZsdXgiLCAib3RoZXIiXSwgImlhdCI6IDE3MDAwMDAwMDAsICJuYmYiOiAxNzAwMDAwMDAwLCAiZXhwIjogMTcwMDAwMzYwMCwgInJvbGVzIjogWyJkZXZpY2UiXSwgInNpdGUiOiAiYmVybGluIn0.QuVIUM82GGOP5Lv5fRfHF6nE_XyCK14K6MdiNO9bP8k";

/// The three public keys as a set.
pub(super) const JWKS: &str = "{\"keys\": [{\"kty\": \"RSA\", \"n\": \"rx-UEl4FCMgFwNxsYjI5h39OSa1K3TCAb6ug1HK4hQgmasJceDN3XV4xjv_KnrxdhTsQZy5wISNo6ddIfAJQjz6Fxa_zzufdOysvRGgQnygVfpaFw16kEiU6Y2mHQCGWznqEAEPzqj7s2w7kufvcgSaZwQpJF15EIeMPZyaOr09ch-7gNDgEHNPnvBFaxGzE38FwBvOfeGyMckBBvTHCYnKsUNFMYfyk9r3kHkrmleO57eQq_aAaSfwz_wmY4-X4gFAg1U5VVFiCTpISYJjoSkafbKsfj49MDpisALyAIWC1lOGFOQxt7DV5_EqJ8wmEsw9L2bLOSG4sd0t9fmjshQ\", \"e\": \"AQAB\", \"kid\": \"rs256\"}, {\"kty\": \"EC\", \"crv\": \"P-256\", \"x\": \"HF4thhL3TPPsN6vbjjEi0Hhbn89XumVoGoDK2qLDy0E\", \"y\": \"0rXar_RUKLP8ezvGeQecw_ZpmppyYE6q_rgMHJnDues\", \"kid\": \"es256\"}, {\"x\": \"ez5ujqNhnbY0wJH4kIadZ_t7bdKafBKjTnvh7R0jWck\", \"kty\": \"OKP\", \"crv\": \"Ed25519\", \"kid\": \"eddsa\"}]}";
