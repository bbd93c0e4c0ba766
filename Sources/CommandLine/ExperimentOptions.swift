import ArgumentParser
import Foundation
import Switchback

/// What every command that reads a configuration takes.
struct ExperimentOptions: ParsableArguments {
  @Argument(
    help: "The configuration, such as configs/mnist-cnn.yaml, or the run that has it, such as runs/latest.",
    completion: .file(extensions: ["yaml"]))
  var config: String

  @OptionGroup var settings: SettingOptions

  func configuration(also more: [String] = [], expandsBlocks: Bool = false) throws -> Configuration {
    try settings.configuration(configurationFile(config), also: more, expandsBlocks: expandsBlocks)
  }
}

/// What is set beside a configuration's file.
struct SettingOptions: ParsableArguments {
  @Option(
    help: "The backend, instead of the configuration's: a name or the path of a library.",
    completion: .list(backendWords))
  var backend: String?

  @Option(help: "The backend's device: a number, a kind such as gpu, or a part of its name.")
  var device: String?

  @Option(help: "Worker threads; 0: one a core.")
  var threads: Int?

  @Option(help: "The seed of weights, order and dropout.")
  var seed: Int?

  @Option(help: "The folder that holds the data set's files; of csv and time-series the file.", completion: .file())
  var data: String?

  @Option(name: .customLong("set"), help: "Sets one key, such as training.optimizer.learning_rate=0.01; repeatable.")
  var overrides: [String] = []

  func configuration(
    _ file: String, also more: [String] = [], expandsBlocks: Bool = false
  ) throws -> Configuration {
    guard FileManager.default.isReadableFile(atPath: file) else {
      throw noConfiguration(file)
    }
    guard !isFolder(file) else {
      throw fail(
        "\(file) is a folder. train --resume \(file) goes on with a run, and train \(file)/config.yaml begins it anew",
        ExitStatus.missingFile)
    }
    var all = (backend.map { backendOverrides($0, over: file) } ?? []) + overrides
    if let device { all.append(textOverride("backend.device", device)) }
    all += commonOverrides(threads: threads, seed: seed, data: data)
    return try Configuration(file: file, overrides: all + more, expandsBlocks: expandsBlocks)
  }
}

/// Where runs are written, for commands that write them or show the setting.
struct RunsFolderOption: ParsableArguments {
  @Option(help: "The folder that runs are written to.", completion: .directory)
  var runs: String?

  var overrides: [String] { runs.map { [textOverride("training.runs", $0)] } ?? [] }
}

/// What the options that every command on a configuration takes set.
func commonOverrides(threads: Int?, seed: Int?, data: String?) -> [String] {
  [
    threads.map { "backend.threads=\($0)" }, seed.map { "training.seed=\($0)" },
    data.map { textOverride("data.path", $0) },
  ].compactMap { $0 }
}

/// The names in what options for several backends were given.
func backendNames(_ given: [String]) -> [String] {
  given.flatMap { $0.split(separator: ",") }.map { $0.trimmingCharacters(in: .whitespaces) }
}

/// What sets another backend than the configuration file's. A run's file has every default written out: where its
/// fallback is the default of its backend, the other backend gets its own.
func backendOverrides(_ name: String, over file: String) -> [String] {
  var settings = [textOverride("backend.name", name)]
  guard let before = try? Configuration(file: file).backend, before.name != name else { return settings }
  // A device is one of the backend that stands in the file.
  if before.options[before.name]?["device"] != nil { settings.append("backend.device=~") }
  if before.fallback == Configuration.Backend.defaultFallback(of: before.name) {
    settings.append("backend.fallback=[\(Configuration.Backend.defaultFallback(of: name).joined(separator: ", "))]")
  }
  return settings
}

/// `key=value` of a text that may hold anything, such as a path: in quotes, so that YAML takes it as it is.
func textOverride(_ key: String, _ text: String) -> String {
  let escaped = text.unicodeScalars.map { scalar in
    switch scalar {
    case "\\", "\"": "\\\(scalar)"
    case " "..."~": String(scalar)
    default: String(format: "\\U%08x", scalar.value)
    }
  }
  return "\(key)=\"\(escaped.joined())\""
}

/// The file of a configuration; a run's folder, or the link to it, stands for the `config.yaml` in it.
func configurationFile(_ path: String) throws -> String {
  guard FileManager.default.isReadableFile(atPath: path) else { throw noConfiguration(path) }
  guard isFolder(path) else { return path }
  let run = RunFolder(LatestLink.followed(path))
  guard run.has(.configuration) else {
    throw fail(
      "\(path) is a folder, and no run's: give the file of a configuration, such as configs/mnist-cnn.yaml, or the folder of a "
        + "run, such as runs/latest", ExitStatus.missingFile)
  }
  return run.path(of: .configuration)
}

func isFolder(_ path: String) -> Bool {
  var isFolder: ObjCBool = false
  return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
}

/// The error of a file that is not there, and where `make install` puts one of that name.
func noConfiguration(_ file: String) -> ExitCode {
  let program = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
  let name = URL(fileURLWithPath: file).lastPathComponent
  let installed =
    program.deletingLastPathComponent().deletingLastPathComponent().path + "/share/switchback/configs/" + name
  let hint = access(installed, R_OK) == 0 ? "; there is \(installed)" : ""
  return fail("there is no configuration \(file)\(hint)", ExitStatus.missingFile)
}

/// What shells offer behind `--backend`; a path is as good.
let backendWords = ["reference", "openblas", "fft", "opencl", "auto"]

/// The backends of this process: the reference is linked in, the others are looked for, in `folders` first. A device is
/// tried in a child at its first use.
func makeRegistry(_ folders: [String] = []) -> BackendRegistry {
  var registry = BackendRegistry(linked: [ReferenceBackend()], folders: folders + BackendRegistry.defaultFolders)
  registry.firstTrial = { try FirstUseCommand.trial($0, $1, folders) }
  return registry
}

/// Fetches a data set known by name where it is nowhere yet, and says so.
func fetchIfMissing(_ source: DatasetSource) throws {
  try source.fetchIfMissing(showsProgress: Terminal.Stream.standardError.isInteractive) {
    Terminal.write($0, to: .standardError)
  }
}

/// At most one a core that this process may use; as many where `threads` is 0.
func workerCount(threads: Int) -> Int {
  let usable = HostServices.usableCores
  return threads > 0 ? min(threads, usable) : usable
}

func makeHost(threads: Int) throws -> HostServices {
  let usable = HostServices.usableCores
  if threads > usable {
    Terminal.write(
      "\(threads) threads are asked for, and this process may use \(usable) core\(usable == 1 ? "" : "s"): it takes as many",
      to: .standardError)
  }
  return try makeHost(workers: workerCount(threads: threads))
}

/// A host with so many workers, whether there are as many cores or not: that a backend is right does not depend on them.
func makeHost(workers: Int) throws -> HostServices {
  try HostServices(workers: workers, store: CacheFolder.path.map { $0 + "/store" }) { level, text in
    if level == 1 { showBackendProgress(.working(text)) }
    if level >= 2 { Terminal.write("warning: \(text)", to: .standardError) }
  }
}
