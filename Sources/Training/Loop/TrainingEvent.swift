public import SwitchbackMonitoring

/// What happens in a run, for whoever shows or records it.
public enum TrainingEvent: Sendable {
  /// Before the first step: what was planned, in lines for people.
  case started([String])
  case step(StepReport)
  /// Every evaluated batch of the validation at an epoch's end, and of the test.
  case evaluating(EvaluationProgress)
  case epoch(EpochReport)
  /// What the probes saw, every `monitor.period` steps.
  case probes(ProbeRows)
  case finding(Finding)
  /// Before a finding that a backend is to blame for: a program that shows it elsewhere, for the run's folder.
  case replay(ReplayText)
  /// Before each finding: the updates before it, for the run's folder.
  case recording(FlightRecording)
  /// `monitor.action: rollback`: the run stands behind this step again, and later ones are trained anew.
  case wentBack(to: Int)
  /// After every epoch, every `training.checkpoint_steps`, and before a run ends early.
  case checkpoint(Checkpoint)
  case message(String)
  /// The test set's verdict at the end.
  case tested(EvaluationRecord)
  case finished(RunSummary)
}

/// A program with numbers for its operands, as `switchback conformance --program` runs it.
public struct ReplayText: Hashable, Sendable {
  /// The file's, as the finding's proof says it.
  public var name: String
  public var text: String
}

public struct StepReport: Sendable, Codable {
  /// Counts from 1 over the whole run.
  public var step: Int
  public var epoch: Int
  public var stepInEpoch: Int
  public var stepsInEpoch: Int
  /// Steps until the run ends, if nothing ends it early.
  public var stepsLeft: Int
  /// Of this batch; no accuracy where targets are numbers.
  public var loss: Double
  public var accuracy: Double?
  /// Of several outputs each, by columns: `digit/loss`, `digit/accuracy`.
  public var metrics: [String: Double]?
  public var learningRate: Double
  public var samplesPerSecond: Double
}

public struct EvaluationProgress: Sendable {
  /// `validating` or `testing`.
  public var doing: String
  public var samples: Int
  public var of: Int
}

public struct EpochReport: Sendable, Codable {
  public var epoch: Int
  public var epochs: Int
  public var step: Int
  /// Means over the epoch's batches, as they were trained; no accuracy where targets are numbers.
  public var loss: Double
  public var accuracy: Double?
  /// Of several outputs each, by columns: `digit/loss`, `digit/accuracy`.
  public var metrics: [String: Double]?
  /// Of the validation part, or of the test set where there is none, without regularizers and class weights; nil in an
  /// epoch that is not validated.
  public var validationLoss: Double?
  public var validationAccuracy: Double?
  /// The validation's further columns: `ink/mean_absolute_error`; of one output its metrics besides the accuracy.
  public var validationMetrics: [String: Double]?
  public var seconds: Double
  public var samplesPerSecond: Double
}

public struct RunSummary: Sendable, Codable {
  /// None where targets are numbers.
  public var testAccuracy: Double?
  public var testLoss: Double
  /// The share of test samples whose class is among the five likeliest; nil with five classes or fewer.
  public var testTop5Accuracy: Double?
  /// The test's further columns, as those of a validation.
  public var testMetrics: [String: Double]?
  /// The same with the weights of the last update, where the numbers above are those of their moving average.
  public var rawTestAccuracy: Double?
  public var rawTestLoss: Double?
  public var rawTestMetrics: [String: Double]?
  /// Of training alone, without evaluation.
  public var seconds: Double
  public var samplesPerSecond: Double
  public var backend: String
  public var seed: Int
  public var epochs: Int
  public var steps: Int
  public var parameters: Int
  /// How often a step woke the workers, over the run.
  public var forksPerStep: Double
  /// Kernels started, calls that wait, and bytes copied there, of devices that count; nil where none does.
  public var launchesPerStep: Double?
  public var blockingCallsPerStep: Double?
  public var bytesToDevicePerStep: Double?
  /// Memory that the plan of the training step takes.
  public var plannedBytes: Int
  /// The most that the process had resident.
  public var peakBytes: Int
  public var findings: [Finding]
  /// What `monitor.action` did about them; nil where it did nothing.
  public var actions: [ActionLog.Record]?
}
