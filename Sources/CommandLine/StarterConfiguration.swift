import Switchback

/// What `config init` writes: the smallest configuration that learns, with what one changes first.
enum StarterConfiguration {
  static func text(for dataset: NamedDataset) -> String {
    """
    # A small convolutional network on \(dataset.name). All keys: switchback config show FILE, or config schema.
    version: 1
    model:
      layers:
        - conv2d: {filters: 32, kernel_size: 3, activation: relu}
        - max_pooling2d: {pool_size: 2}
        - conv2d: {filters: 64, kernel_size: 3, activation: relu}
        - max_pooling2d: {pool_size: 2}
        - flatten
        - dropout: {rate: 0.25}
        - dense: {units: 64, activation: relu}
        - dense: {units: \(dataset.classNames.count), activation: softmax} # a unit for each class
    data:
      dataset: \(dataset.name) # or image-folder, csv: your own data
      validation_split: 0.1
    training:
      epochs: 5
      batch_size: 64
      seed: 1
      loss: categorical_crossentropy
      optimizer: {type: adam, learning_rate: 0.001} # a schedule: learning_rate: {type: cosine, …}
      early_stopping_patience: 3
    backend: openblas # switchback backends lists them
    monitor:
      action: warn # stop: end the run at the first finding

    """
  }
}
