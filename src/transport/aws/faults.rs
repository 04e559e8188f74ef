//! What an error of the SDK means for us, without what it quotes.
//!
//! `SdkError → its code → ErrorKind, and a text of our own → TransportError`

use std::error::Error;

#[cfg(feature = "sns")]
use aws_sdk_sns::error::{ProvideErrorMetadata, SdkError};
#[cfg(not(feature = "sns"))]
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};

use crate::transport::{ErrorKind, TransportError, in_vain};

/// How many bytes of a message of AWS we quote.
const MAX_QUOTE: usize = 300;

/// Makes our error of one of the SDK's; `what` was tried, as in "to publish".
pub(in crate::transport) fn failure<E, R>(at: &str, what: &str, error: &SdkError<E, R>) -> TransportError
where
    E: ProvideErrorMetadata,
{
    let (kind, text) = match error {
        SdkError::ServiceError(answer) => {
            let answer = answer.err();
            return refusal(at, what, answer.code().unwrap_or("without a code"), answer.message());
        }
        SdkError::TimeoutError(_) => {
            let late = "no answer came in time: look whether the server is up, or set a longer deadline";
            let (kind, text) = in_vain(ErrorKind::Unreachable, late);
            return TransportError::new(kind, at, format!("could not {what}: {text}"));
        }
        SdkError::DispatchFailure(failed) => match failed.as_connector_error() {
            Some(error) if is_about(error, "credential") => (ErrorKind::Denied, NO_CREDENTIALS),
            Some(error) if is_about(error, "region") => (ErrorKind::Refused, "no region is known: set AWS_REGION"),
            _ => (
                ErrorKind::Unreachable,
                "the server cannot be reached: look at the endpoint, the region and the network",
            ),
        },
        SdkError::ConstructionFailure(_) => {
            (ErrorKind::Refused, "the request could not be made: look at the endpoint, the region and the credentials")
        }
        _ => (ErrorKind::Protocol, "the answer makes no sense: look whether the endpoint is one of AWS"),
    };
    TransportError::new(kind, at, format!("could not {what}: {text}"))
}

const NO_CREDENTIALS: &str =
    "there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile, or a role";

/// Whether the server has certainly not taken what it was sent: nobody was there, or it has said that it is busy.
pub(in crate::transport) fn is_untaken<E, R>(error: &SdkError<E, R>) -> bool
where
    E: ProvideErrorMetadata,
{
    match error {
        SdkError::ServiceError(answer) => answer.err().code().is_some_and(is_busy),
        // There is no other way to ask whether it was the connecting that failed.
        SdkError::DispatchFailure(failed) => {
            failed.as_connector_error().is_some_and(|error| is_about(error, "Error(Connect"))
        }
        _ => false,
    }
}

/// Whether a server that says so has looked at nothing: what it calls an internal error may have gone well.
fn is_busy(code: &str) -> bool {
    let code = code.rsplit('.').next().unwrap_or(code);
    let busy = ["RequestLimitExceeded", "ServiceUnavailable", "SlowDown", "TooManyRequestsException"];
    code.to_ascii_lowercase().contains("throttl") || busy.contains(&code)
}

/// Whether any cause names this. The texts are looked at, never shown.
fn is_about(error: &(dyn Error + 'static), word: &str) -> bool {
    let mut cause = Some(error);
    for _ in 0..16 {
        let Some(error) = cause else { break };
        if error.to_string().contains(word) || format!("{error:?}").contains(word) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Makes an error of what a server has said.
pub(in crate::transport) fn refusal(at: &str, what: &str, code: &str, message: Option<&str>) -> TransportError {
    let kind = kind_of(code);
    let mut text = format!("could not {what}: the server says {code}");
    // Who may not do what is worth reading, and holds no secret. What other messages quote might: of a wrong signature
    // AWS shows the whole request.
    if let Some(message) =
        message.filter(|_| code.starts_with("AccessDenied") || code.starts_with("AuthorizationError"))
    {
        text.push_str(", ");
        text.extend(message.chars().filter(|char| !char.is_control()).take(MAX_QUOTE));
    }
    text.push_str(match kind {
        ErrorKind::Missing => ": create it, or say `.create_if_missing()`",
        ErrorKind::Unreachable => ": try again later",
        ErrorKind::TooLarge => ": send less at once",
        ErrorKind::Lost => ": it comes again",
        ErrorKind::Denied => ": look at the credentials and their rights",
        _ => ": look at what it was given, and at how it was set up",
    });
    TransportError::new(kind, at, text)
}

/// Says what a code means.
pub(in crate::transport) fn kind_of(code: &str) -> ErrorKind {
    // The old protocol had a prefix: `AWS.SimpleQueueService.NonExistentQueue`.
    match code.rsplit('.').next().unwrap_or(code) {
        "QueueDoesNotExist" | "NonExistentQueue" | "NotFound" | "NotFoundException" | "ResourceNotFoundException" => {
            ErrorKind::Missing
        }
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => ErrorKind::Lost,
        "BatchRequestTooLong" | "MessageTooLong" => ErrorKind::TooLarge,
        "RequestThrottled"
        | "Throttling"
        | "ThrottlingException"
        | "Throttled"
        | "ThrottledException"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "OverLimit"
        | "ServiceUnavailable"
        | "InternalFailure"
        | "InternalError"
        | "InternalErrorException"
        | "InternalServerError"
        | "KMSThrottlingException"
        | "KmsThrottled"
        | "QueueDeletedRecently"
        | "RequestTimeout"
        | "SlowDown" => ErrorKind::Unreachable,
        code if is_denial(code) => ErrorKind::Denied,
        _ => ErrorKind::Refused,
    }
}

/// Whether the server does not know who asks, or does not let it. The protocols end the same codes differently.
fn is_denial(code: &str) -> bool {
    const DENIALS: [&str; 17] = [
        "AccessDenied",
        "AuthFailure",
        "AuthorizationError",
        "ExpiredToken",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignature",
        "KMSAccessDenied",
        "KMSOptInRequired",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClient",
    ];
    let name = code.strip_suffix("Exception").unwrap_or(code);
    DENIALS.iter().any(|denial| name.eq_ignore_ascii_case(denial))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_never_quoted() {
        let error = refusal("sqs:orders", "publish", "SignatureDoesNotMatch", Some("x-amz-security-token:canary"));
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert!(!error.to_string().contains("canary"), "{error}");
    }

    #[test]
    fn who_may_not_do_what_is_quoted() {
        let error = refusal("sqs:orders", "publish", "AccessDenied", Some("User x is not authorized\n to perform y"));
        assert!(error.to_string().contains("User x is not authorized to perform y"), "{error}");
    }

    #[test]
    fn codes_of_both_protocols_are_known() {
        for code in ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"] {
            assert_eq!(kind_of(code), ErrorKind::Missing, "{code}");
        }
        assert_eq!(kind_of("com.amazonaws.sqs#x.ReceiptHandleIsInvalid"), ErrorKind::Lost);
        assert_eq!(kind_of("ThrottlingException"), ErrorKind::Unreachable);
    }

    #[test]
    fn who_is_not_let_in_has_sent_nothing_wrong() {
        for code in [
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationError",
            "AuthorizationErrorException",
            "ExpiredToken",
            "ExpiredTokenException",
            "InvalidClientTokenId",
            "KmsAccessDenied",
            "KMSAccessDeniedException",
            "SignatureDoesNotMatch",
            "UnrecognizedClientException",
            "com.amazonaws.sqs#x.InvalidSecurity",
        ] {
            assert_eq!(kind_of(code), ErrorKind::Denied, "{code}");
        }
        for code in ["InvalidMessageContents", "InvalidParameterValue", "KmsNotFound", "UnsupportedOperation"] {
            assert_eq!(kind_of(code), ErrorKind::Refused, "{code}");
        }
    }

    #[test]
    fn who_is_busy_has_taken_nothing_and_an_internal_error_may_have_gone_well() {
        for code in ["RequestThrottled", "KmsThrottled", "KMSThrottlingException", "com.amazonaws.x.ServiceUnavailable"]
        {
            assert!(is_busy(code) && kind_of(code) == ErrorKind::Unreachable, "{code}");
        }
        for code in ["InternalFailure", "InternalError", "RequestTimeout", "AccessDenied", "QueueDoesNotExist"] {
            assert!(!is_busy(code), "{code}");
        }
    }
}
