//! When a token is good: `iat`, `nbf`, `exp` (RFC 7519 §4.1) against the hub's clock and the issuer's limits.
//!
//! In the flow: read by [`super::claims`], checked on every call, cached token or not. Never reads a clock.

use super::issuer::IssuerDef;
use super::refusal::Refusal;

/// Last second that is taken for a time: the end of the year 9999.
pub const TIME_MAX_S: i64 = 253_402_300_799;

/// When a token is good, in seconds since 1970.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// Issued.
    pub iat_s: i64,
    /// Not before, if it says so.
    pub nbf_s: Option<i64>,
    /// Expires.
    pub exp_s: i64,
}

impl Times {
    /// Whether a token of this issuer is good at `now_ms` (ms since 1970), give or take its tolerance.
    pub fn check(&self, issuer: &IssuerDef, now_ms: i64) -> Result<(), Refusal> {
        let tolerance_ms = i64::from(issuer.clock_tolerance_s) * 1000;
        if now_ms >= self.exp_s * 1000 + tolerance_ms {
            return Err(Refusal::Expired);
        }
        if self.iat_s.max(self.nbf_s.unwrap_or(0)) * 1000 > now_ms.saturating_add(tolerance_ms) {
            return Err(Refusal::NotYetValid);
        }
        if self.exp_s - self.iat_s > i64::from(issuer.max_token_lifetime_s) {
            return Err(Refusal::LivesTooLong);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::def;
    use super::*;

    #[test]
    fn times() {
        let issuer = def();
        let (tolerance, lifetime) = (issuer.clock_tolerance_s as i64, issuer.max_token_lifetime_s as i64);
        let (iat, life) = (1_000_000, 300);
        let table = [
            (iat, None, iat + life, iat, Ok(())),
            (iat, None, iat + lifetime, iat, Ok(())),
            (iat, None, iat + lifetime + 1, iat, Err(Refusal::LivesTooLong)),
            (iat, None, iat + life, iat + life + tolerance - 1, Ok(())),
            (iat, None, iat + life, iat + life + tolerance, Err(Refusal::Expired)),
            (iat, None, iat + life, iat - tolerance, Ok(())),
            (iat, None, iat + life, iat - tolerance - 1, Err(Refusal::NotYetValid)),
            (iat, Some(iat + 9), iat + life, iat + 9 - tolerance - 1, Err(Refusal::NotYetValid)),
            (iat, Some(iat + 9), iat + life, iat + 9 - tolerance, Ok(())),
        ];
        for (iat_s, nbf_s, exp_s, now_s, want) in table {
            let times = Times { iat_s, nbf_s, exp_s };
            assert_eq!(times.check(&issuer, now_s * 1000), want, "{times:?} at {now_s}");
        }
    }
}
