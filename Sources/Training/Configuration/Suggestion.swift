import SwitchbackPrograms

/// The nearest valid word, and our word for another framework's.
package enum Suggestion {
  static let foreign: [String: (word: String, origin: String)] = [
    "lr": ("training.optimizer.learning_rate", "PyTorch"),
    "lr0": ("training.optimizer.learning_rate", "Ultralytics"),
    "rate": ("learning_rate", "other frameworks"),
    "beta1": ("beta_1", "other frameworks"),
    "beta2": ("beta_2", "other frameworks"),
    "adam_beta1": ("beta_1", "Hugging Face"),
    "per_device_train_batch_size": ("training.batch_size", "Hugging Face"),
    "train_batch_size": ("training.batch_size", "Hugging Face"),
    "num_train_epochs": ("training.epochs", "Hugging Face"),
    "gradient_accumulation": ("training.optimizer.gradient_accumulation_steps", "other frameworks"),
    "restore_best_weights": ("training.restore_best", "Keras"),
    "patience": ("training.early_stopping_patience", "Ultralytics"),
    "criterion": ("training.loss", "PyTorch"),
    "optim": ("training.optimizer", "Hugging Face"),
    "lr_scheduler": ("a schedule under training.optimizer.learning_rate", "PyTorch"),
    "label_smoothing_factor": ("training.loss.label_smoothing", "Hugging Face"),
    "weight": ("training.class_weights", "PyTorch"),
    "class_weight": ("training.class_weights", "Keras"),
    "drop_last": ("training.last_batch: drop", "PyTorch"),
    "random_seed": ("training.seed", "other frameworks"),
    "random_state": ("training.seed", "scikit-learn"),
    "in_channels": ("nothing: it follows from the layer before", "PyTorch"),
    "in_features": ("nothing: it follows from the layer before", "PyTorch"),
    "input_shape": ("nothing: it follows from the data", "Keras"),
    "kernel_regularization": ("kernel_regularizer", "other frameworks"),
    "init": ("kernel_initializer", "other frameworks"),
    "accelerator": ("backend.name", "Lightning"),
    "imgsz": ("data.image_size", "Ultralytics"),
    "validation_data": ("data.validation_split", "Keras"),
    "<<": ("nothing: merge keys are not read; write the keys out", "YAML"),
    "alpha": ("rho", "PyTorch"),
    "nonlinearity": ("activation", "PyTorch"),
    "betas": ("beta_1 and beta_2", "PyTorch"),
    "eps": ("epsilon", "PyTorch"),
    "batch": ("training.batch_size", "Ultralytics"),
    "nepochs": ("training.epochs", "other frameworks"),
    "max_epochs": ("training.epochs", "Lightning"),
    "max_steps": ("training.steps", "Lightning"),
    "num_epochs": ("training.epochs", "other frameworks"),
    "num_workers": ("backend.threads", "PyTorch"),
    "device": ("backend.device", "PyTorch"),
    "out_features": ("units", "PyTorch"),
    "out_channels": ("filters", "PyTorch"),
    "hidden": ("units", "other frameworks"),
    "hidden_size": ("units", "PyTorch"),
    "kernel": ("kernel_size", "other frameworks"),
    "stride": ("strides", "PyTorch"),
    "dilation": ("dilation_rate", "PyTorch"),
    "bias": ("use_bias", "PyTorch"),
    "p": ("rate", "PyTorch"),
    "std": ("stddev", "PyTorch"),
    "scale_factor": ("size", "PyTorch"),
    "mode": ("interpolation", "PyTorch"),
    "gradient_clip_val": ("global_clipnorm", "Lightning"),
    "max_grad_norm": ("global_clipnorm", "Hugging Face"),
    "accumulate_grad_batches": ("gradient_accumulation_steps", "Lightning"),
    "val_split": ("data.validation_split", "other frameworks"),
  ]

  /// Keys that are looked for in another section than theirs, and where they are.
  static let misplaced: [String: String] = {
    let optimizer = [
      "learning_rate", "momentum", "weight_decay", "clipnorm", "global_clipnorm", "clipvalue", "ema_momentum",
      "gradient_accumulation_steps",
    ]
    let training = ["batch_size", "epochs", "loss", "metrics", "optimizer", "seed", "steps"]
    var places: [String: String] = [:]
    for key in optimizer {
      places["training.\(key)"] = "training.optimizer.\(key)"
      places[key] = "training.optimizer.\(key)"
    }
    for key in training { places[key] = "training.\(key)" }
    return places
  }()

  /// Our word for a layer, a loss or another choice that goes by this name elsewhere.
  private static let synonyms: [String: String] = [
    "fc": "dense", "fully_connected": "dense", "pool2d": "max_pooling2d",
    "mse": "mean_squared_error", "l2_loss": "mean_squared_error", "mae": "mean_absolute_error",
    "l1_loss": "mean_absolute_error", "cross_entropy": "categorical_crossentropy",
    "crossentropy": "categorical_crossentropy", "ce": "categorical_crossentropy",
    "nll": "categorical_crossentropy", "bce": "binary_crossentropy", "f1": "f1_score", "r2": "r2_score",
    "top_k_accuracy": "top_k_categorical_accuracy",
    "xavier": "glorot_uniform", "xavier_uniform": "glorot_uniform", "xavier_normal": "glorot_normal",
    "kaiming": "he_normal", "kaiming_uniform": "he_uniform", "kaiming_normal": "he_normal", "silu": "swish",
    "none": "linear", "identity": "linear", "momentum": "sgd", "nesterov": "sgd",
    "add": "sum", "average": "ave", "mean": "ave", "multiply": "mul",
  ]

  /// `; did you mean units? (known: …)`. `listing` is a command that lists all candidates. Of more than 30 the words name
  /// that command and, where none is near enough to be meant, the nearest few.
  package static func words(for word: String, among candidates: [String], listing: String? = nil) -> String {
    let candidates = Set(candidates).sorted()
    let hint = NearestWord.hint(nearest(to: word, among: candidates))
    guard let listing, candidates.count > 30 else { return hint + " (known: \(candidates.joined(separator: ", ")))" }
    if !hint.isEmpty { return hint + " (\(listing) lists all)" }
    let near = candidates.map { ($0, NearestWord.distance(word, $0)) }.sorted { ($0.1, $0.0) < ($1.1, $1.0) }
    return hint + " (near it: \(near.prefix(5).map(\.0).joined(separator: ", ")); \(listing) lists all)"
  }

  /// The candidate that is meant; nil where none is near.
  package static func nearest(to word: String, among candidates: [String]) -> String? {
    let synonym = synonyms[word.lowercased().replacing("-", with: "_")]
    return synonym.flatMap { candidates.contains($0) ? $0 : nil } ?? NearestWord.of(word, among: candidates)
  }
}
