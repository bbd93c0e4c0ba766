import Foundation
import Switchback
import SwitchbackConformance

/// What `diff` prints: lines for people, or JSON Lines on standard output and what is wrong first on standard error.
struct DiffReport {
  let isJSON: Bool
  /// The file for the program that shows what is wrong.
  let replay: String
  let names: [String]

  private struct Fault: Encodable {
    var backend: String
    var operation: String
    /// The operation's name in the catalogue.
    var kind: String
    var form: String
    var error: Double
    var message: String
    var batchSize: Int
    var workers: Int
  }

  private struct Judged: Encodable {
    /// `as configured`, `a batch of 63`, `3 workers`
    var judged: String
    var batchSize: Int
    var workers: Int
    var agrees: Bool
    /// How many were asked by themselves, of all backends together, and how many of them are wrong.
    var operations: Int
    var wrong: Int
    var steps: Int
    var differences: StepAgreement
    /// What was found to heal the step, where its operations are right.
    var heals: [String]?
    var cause: String?
    var again: String?
  }

  // MARK: As configured

  func say(_ asked: DiffSetting.Asked) {
    guard !isJSON else { return }
    let lockstep = asked.lockstep
    Terminal.write(
      "\(asked.name), step \(asked.step): \(lockstep.checkedCount) operations checked, "
        + "\(lockstep.declined.count) declined, \(lockstep.faults.count) wrong, "
        + "\(lockstep.faults.isEmpty ? "worst error" : "the others within") "
        + "\(String(format: "%.3f", lockstep.worst)) of \(lockstep.faults.isEmpty ? "its bound" : "their bounds")")
  }

  func say(_ row: StepComparison.Row) { if isJSON { Terminal.write(Terminal.json(row)) } }

  func say(_ verdict: DiffSetting.Verdict) {
    guard !isJSON else { return }
    let (rows, agreement) = (verdict.rows, verdict.agreement)
    let worst = rows.max { $0.gradientDifference < $1.gradientDifference }
    let place = worst.flatMap { $0.parameter.isEmpty ? nil : " (\($0.parameter) in step \($0.step))" } ?? ""
    let measured = agreement.roundingSteps == 1 ? "the first step" : "the first \(agreement.roundingSteps) steps"
    Terminal.write(
      "\(rows.count) steps of \(names[0]) and \(names[1]), each from the same weights: losses apart by at most "
        + "\(agreement.lossDifference.shortText) (relative)")
    Terminal.write(
      "gradients apart (relative L2): median \(agreement.medianGradientDifference.shortText), at most "
        + "\(agreement.gradientDifference.shortText)\(place), "
        + "no more than 1e-4 in \(rows.filter { $0.gradientDifference <= 1e-4 }.count) of \(rows.count) steps")
    Terminal.write(
      "rounding alone explains \(agreement.roundingDifference.shortText) (the reference in Float32, and with weights "
        + "that differ in their last bits, against Float64, \(measured)); a median of \(agreement.limit.shortText) is allowed"
    )
  }

  // MARK: Other settings

  /// Another setting has one line.
  func say(_ verdict: DiffSetting.Verdict, _ words: String) {
    guard !isJSON else { return }
    let agreement = verdict.agreement
    Terminal.write(
      "\(words): \(verdict.agrees ? "right" : "not right"): \(verdict.checkedWords) checked, "
        + "\(verdict.findings.count) wrong; \(verdict.rows.count) steps, losses apart by at most "
        + "\(agreement.lossDifference.shortText), gradients by \(agreement.medianGradientDifference.shortText) (median; "
        + "\(agreement.limit.shortText) is allowed)")
  }

  // MARK: What is wrong

  /// Why the backends do not agree, by what says most; nil where they do.
  func obstacle(_ verdict: DiffSetting.Verdict) -> String? {
    let (count, agreement) = (verdict.findings.count, verdict.agreement)
    if count > 0 { return count == 1 ? "1 operation is wrong" : "\(count) operations are wrong" }
    if !agreement.isMedianWithin {
      return "gradients are apart by \(agreement.medianGradientDifference.shortText) (median), and "
        + "\(agreement.limit.shortText) is allowed"
    }
    if agreement.gradientDifference > agreement.stepLimit {
      return "the gradients of a step are apart by \(agreement.gradientDifference.shortText)"
    }
    if agreement.lossDifference > StepAgreement.lossLimit {
      return "the losses of a step are apart by \(agreement.lossDifference.shortText)"
    }
    return nil
  }

  /// The faults of a setting and, with `explains`, what is wrong first and how to see it again.
  func end(_ verdict: DiffSetting.Verdict, _ setting: DiffSetting, _ words: String, explains: Bool) throws {
    var judged = Judged(
      judged: words, batchSize: setting.batchSize, workers: setting.host.workers, agrees: verdict.agrees,
      operations: verdict.checkedCount, wrong: verdict.findings.count, steps: verdict.rows.count,
      differences: verdict.agreement)
    if isJSON {
      for fault in verdict.findings.map(\.fault) {
        Terminal.write(
          Terminal.json(
            Fault(
              backend: fault.backend, operation: fault.label, kind: fault.operation, form: fault.form.rawValue,
              error: fault.error, message: "\(fault)", batchSize: setting.batchSize, workers: setting.host.workers)))
      }
    }
    if !verdict.agrees, explains { try explain(verdict, setting, &judged) }
    if isJSON { Terminal.write(Terminal.json(judged)) }
  }

  private func explain(_ verdict: DiffSetting.Verdict, _ setting: DiffSetting, _ judged: inout Judged) throws {
    func tell(cause: String) {
      judged.cause = cause
      self.tell("first wrong operation: \(cause)")
    }
    var cause: DiffCause?
    do {
      if let first = verdict.findings.first {
        tell(cause: "\(first.fault)")
        Self.sayThatItSearches()
        cause = try DiffCause(first, setting)
      } else {
        judged.heals = try heal(verdict, setting)
        Self.sayThatItSearches()
        cause = try DiffCause(verdict, setting)
        if let cause { tell(cause: cause.message) }
      }
    } catch let error as ExecutionError {
      // A backend that fails on a part of the step leaves the step.
      Terminal.write("no smaller program shows it: \(error.message)", to: .standardError)
    }
    let again = try cause?.command(writing: replay) ?? DiffCause.thisCommand
    judged.again = again
    self.tell("again: \(again)")
  }

  /// On a large network it takes minutes.
  private static func sayThatItSearches() {
    Terminal.write("looking for the smallest program that shows it", to: .standardError)
  }

  /// Tries every cure, says what it does, and answers those that heal the step.
  private func heal(_ verdict: DiffSetting.Verdict, _ setting: DiffSetting) throws -> [String] {
    tell("every operation is right by itself, and the step is not; what heals it:")
    var healing: [String] = []
    for cure in DiffCure.allCases {
      switch try cure.outcome(setting, verdict.rows) {
      case .heals:
        healing.append(cure.key)
        tell("  \(cure.name): heals it – \(cure.meaning)")
      case .doesNotHeal: tell("  \(cure.name): does not heal it")
      case .cannotBeTried(let reason): tell("  \(cure.name): cannot be tried (\(reason))")
      }
    }
    if healing.isEmpty { tell("  nothing of this heals it") }
    return healing
  }

  /// `wrong` has the settings in which they do not agree, the configured one without a name; the lines above have the
  /// numbers.
  func sayEnd(_ wrong: [(setting: String, obstacle: String)]) {
    guard !isJSON else { return }
    let pair = "\(names[0]) and \(names[1])"
    guard let first = wrong.first else { return Terminal.write("\(pair) agree") }
    let others = wrong.dropFirst().map(\.setting).joined(separator: " nor with ")
    Terminal.write(
      "\(pair) do not agree: \(first.setting.isEmpty ? "" : first.setting + ": ")\(first.obstacle)"
        + (others.isEmpty ? "" : "; nor with \(others)"))
  }

  private func tell(_ line: String) { Terminal.write(line, to: isJSON ? .standardError : .standardOutput) }
}

extension Double {
  var shortText: String { String(format: "%.1e", self) }
}
