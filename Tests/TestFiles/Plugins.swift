import Foundation

/// Compiles a C file of the checkout against the contract's header alone, as a third party would, in a folder of its
/// own; `changes` are made to its text before. Answers the library's path.
public func compilePlugin(_ source: String, replacing changes: [(String, String)] = []) throws -> String {
  let folder = FileManager.default.temporaryDirectory.appendingPathComponent("plugin-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  var text = try String(contentsOfFile: root + "/" + source, encoding: .utf8)
  for (old, new) in changes {
    guard text.contains(old) else { throw PluginError(description: "\(source) has no \(old)") }
    text = text.replacingOccurrences(of: old, with: new)
  }
  let file = folder.appendingPathComponent("plugin.c")
  try text.write(to: file, atomically: true, encoding: .utf8)
  let library = folder.appendingPathComponent("libSwitchbackplugin.so").path
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = [
    "cc", "-std=c11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I", root + "/Sources/SwitchbackABI/include",
    file.path, "-o", library,
  ]
  try process.run()
  process.waitUntilExit()
  guard process.terminationStatus == 0 else { throw PluginError(description: "\(file.path) does not compile") }
  return library
}

public struct PluginError: Error, CustomStringConvertible {
  public let description: String
}
