//! The closed code lists of engine version 1.

/// Why a record is corrected, voided or taken further.
///
/// Spec: eForms `change-corrig-justification` and `modification-justification`, plus our own: `court-order`, `dup`, `erasure`, `late`, `observed-change`, `person`.
pub const WHY: &[&str] = &[
    "add-wss",
    "cancel",
    "cancel-intent",
    "cor-buy",
    "cor-esen",
    "cor-pub",
    "court-order",
    "dup",
    "erasure",
    "info-release",
    "late",
    "mod-cir",
    "mod-minv",
    "mod-nons",
    "mod-repl",
    "mod-rev",
    "observed-change",
    "person",
    "susp-review",
    "update-add",
];

/// Why a field is sealed.
///
/// Spec: eForms `non-publication-justification`, plus `person` and `security`.
pub const SEALED_WHY: &[&str] =
    &["eo-int", "fair-comp", "law-enf", "oth-int", "person", "rd-ser", "security"];

/// What another record or process is to this one.
pub const REL: &[&str] = &[
    "commitment",
    "contract",
    "delivery",
    "iati",
    "invoice",
    "milestone",
    "ocds",
    "order",
    "payment",
    "replaces",
    "tender",
];

/// What a document is. Spec: OCDS 1.1 `documentType`, plus our own: `ocdsRelease`.
#[rustfmt::skip]
pub const DOCUMENT_TYPE: &[&str] = &[
    "assetAndLiabilityAssessment", "awardNotice", "bidders", "biddingDocuments", "billOfQuantity",
    "cancellationDetails", "clarifications", "complaints", "completionCertificate",
    "conflictOfInterest", "contractAnnexe", "contractArrangements", "contractDraft",
    "contractGuarantees", "contractNotice", "contractSchedule", "contractSigned",
    "contractSummary", "debarments", "economicSelectionCriteria", "eligibilityCriteria",
    "environmentalImpact", "evaluationCriteria", "evaluationReports", "feasibilityStudy",
    "finalAudit", "financialProgressReport", "hearingNotice", "illustration", "marketStudies",
    "needsAssessment", "ocdsRelease", "physicalProgressReport", "plannedProcurementNotice",
    "procurementPlan", "projectPlan", "riskProvisions", "shortlistedFirms", "subContract",
    "submissionDocuments", "tariffIllustration", "tariffMethod", "tariffReview", "tariffs", "technicalSelectionCriteria",
    "technicalSpecifications", "tenderNotice", "unsuccessfulDetails", "winningBid",
];

pub(crate) const WHY_WORDS: &str = "a reason code such as cor-pub, cancel, dup or late";
pub(crate) const SEALED_WHY_WORDS: &str =
    "one of eo-int, fair-comp, law-enf, oth-int, person, rd-ser, security";

pub(crate) fn is_why(code: &str) -> bool {
    WHY.contains(&code)
}

pub(crate) fn is_sealed_why(code: &str) -> bool {
    SEALED_WHY.contains(&code)
}
