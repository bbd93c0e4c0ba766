import Foundation
import SwitchbackInterchange

/// A file of which a sink can go on with a part alone.
enum DamagedFile {
  /// Keeps all of it under another name, and answers what is to be said.
  static func keep(_ contents: Data, of path: String, _ fault: String) throws(FileError) -> String {
    let place = URL(fileURLWithPath: path)
    // TensorBoard reads whatever has `tfevents` in its name.
    let name = "damaged-" + place.lastPathComponent.replacingOccurrences(of: "tfevents", with: "events")
    let base = place.deletingLastPathComponent().path + "/" + name
    var (kept, number) = (base, 2)
    while access(kept, F_OK) == 0 { (kept, number) = ("\(base)-\(number)", number + 1) }
    try AtomicFile.write(contents, to: kept)
    return "\(path) is damaged: \(fault). It is kept as \(kept), and the run goes on with what lies before that"
  }

  /// What helps where a sink cannot go on with a file.
  static let advice = "Rename it or move it away: then a new one is begun"
}
