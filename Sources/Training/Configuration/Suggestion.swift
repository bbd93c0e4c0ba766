/// The nearest valid word, and our word for another framework's.
enum Suggestion {
  static let foreign: [String: (word: String, origin: String)] = [
    "lr": ("training.optimizer.learning_rate", "PyTorch"),
    "alpha": ("rho (rmsprop) or negative_slope", "PyTorch"),
    "betas": ("beta_1 and beta_2", "PyTorch"),
    "eps": ("epsilon", "PyTorch"),
    "batch": ("training.batch_size", "Ultralytics"),
    "nepochs": ("training.epochs", "other frameworks"),
    "max_epochs": ("training.epochs", "Lightning"),
    "max_steps": ("training.steps", "Lightning"),
    "num_epochs": ("training.epochs", "other frameworks"),
    "num_workers": ("backend.threads", "PyTorch"),
    "device": ("backend.name", "PyTorch"),
    "out_features": ("units", "PyTorch"),
    "out_channels": ("filters", "PyTorch"),
    "hidden": ("units", "other frameworks"),
    "kernel": ("kernel_size", "other frameworks"),
    "stride": ("strides", "PyTorch"),
    "dilation": ("dilation_rate", "PyTorch"),
    "bias": ("use_bias", "PyTorch"),
    "p": ("rate", "PyTorch"),
    "gradient_clip_val": ("global_clipnorm", "Lightning"),
    "max_grad_norm": ("global_clipnorm", "Hugging Face"),
    "accumulate_grad_batches": ("gradient_accumulation_steps", "Lightning"),
    "val_split": ("data.validation_split", "other frameworks"),
  ]

  /// `; did you mean units? Known are …`
  static func words(for word: String, among candidates: [String]) -> String {
    let nearest = candidates.map { ($0, distance(word, $0)) }.min { $0.1 < $1.1 }
    let known = "known: " + candidates.sorted().joined(separator: ", ")
    if let nearest, nearest.1 <= max(2, word.count / 3) { return "; did you mean \(nearest.0)? (\(known))" }
    return " (\(known))"
  }

  /// Insertions, deletions and exchanges that turn one word into the other (Levenshtein 1966).
  static func distance(_ a: String, _ b: String) -> Int {
    let (a, b) = (Array(a.lowercased()), Array(b.lowercased()))
    var row = Array(0...b.count)
    for i in a.indices {
      var diagonal = row[0]
      row[0] = i + 1
      for j in b.indices {
        let cost = diagonal + (a[i] == b[j] ? 0 : 1)
        diagonal = row[j + 1]
        row[j + 1] = min(cost, row[j] + 1, diagonal + 1)
      }
    }
    return row[b.count]
  }
}
