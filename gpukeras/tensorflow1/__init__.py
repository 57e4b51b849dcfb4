"""What `tensorflow` is to a program that runs on gpukeras as Keras: functions of TensorFlow 1 that are used beside it.

They are made of K's and of ops; `names` is the table of them."""
