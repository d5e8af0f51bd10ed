//! Documents that an app or an operator hands over (needs, settings, the policy), of any bytes: no panic, and what is
//! understood is the same after it was written again.
#![no_main]

use dokku_storage::domain::app_settings::AppSettings;
use dokku_storage::domain::needs;
use dokku_storage::domain::policy::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    match needs::parse(content) {
        Ok(found) => {
            let written = serde_json::to_vec(&found).unwrap();
            assert_eq!(needs::parse(&written).unwrap(), found);
        }
        Err(refusal) => assert!(!refusal.to_string().is_empty()),
    }
    if let Ok(settings) = serde_json::from_slice::<AppSettings>(content) {
        let written = serde_json::to_vec(&settings).unwrap();
        assert_eq!(serde_json::from_slice::<AppSettings>(&written).unwrap(), settings);
    }
    if let Ok(policy) = serde_json::from_slice::<Policy>(content) {
        let written = serde_json::to_vec(&policy).unwrap();
        assert_eq!(serde_json::from_slice::<Policy>(&written).unwrap(), policy);
    }
});
